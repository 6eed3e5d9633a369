"""A pretrained translation model, from a folder or the hub, becomes an artifact; what is none is refused."""

import shutil
import threading

import pytest
from execution_here import here
from pydantic import ValidationError
from tiny_hub import COMMIT, Hub
from tiny_translators import save_marian

from pipeline.errors import UserError
from stages.fetch_translator.settings import FetchTranslatorSettings
from stages.fetch_translator.stage import fetch, fetch_translator
from stages.shared.translator_name import translator_files


@pytest.fixture(scope="module")
def marian(tmp_path_factory):
    return save_marian(tmp_path_factory.mktemp("models") / "marian")


def settings(model, kind="seq2seq", revision="main"):
    return FetchTranslatorSettings(model=model, revision=revision, kind=kind)


def test_a_folder_is_taken_over_without_what_is_not_the_model(marian, tmp_path):
    given = shutil.copytree(marian, tmp_path / "given")
    (given / "README.md").write_text("hello")
    (given / "tf_model.h5").write_text("hello")
    out = tmp_path / "out"
    out.mkdir()
    metrics = fetch_translator(settings(str(given)), {}, out, here())
    assert {path.name: path.read_bytes() for path in out.iterdir()} == {
        path.name: path.read_bytes() for path in marian.iterdir()
    }
    assert metrics["bytes"] > 1000
    assert not any(path.samefile(given / path.name) for path in out.iterdir())  # whose owner may write into it


def test_a_folder_is_known_by_its_content_and_not_by_its_place(marian, tmp_path):
    copy = shutil.copytree(marian, tmp_path / "copy")
    one, same = settings(str(marian)), settings(str(copy))
    assert one.identity() == same.identity()
    assert FetchTranslatorSettings.model_validate(one.model_dump(mode="json")) == one
    (copy / "config.json").write_text("{}")
    assert settings(str(copy)).identity() != one.identity()
    with pytest.raises(ValidationError, match="has changed since the run was planned"):
        FetchTranslatorSettings.model_validate(same.model_dump(mode="json"))


def test_a_model_on_the_hub_is_fetched_and_its_commit_noted(marian, tmp_path, capsys):
    with Hub(marian) as hub:
        threading.Thread(target=hub.serve_forever, daemon=True).start()
        folder, names, origin = fetch("someone/tiny", settings("someone/tiny"), tmp_path, hub.endpoint)
        hub.shutdown()
    assert origin == {"repository": "someone/tiny", "commit": COMMIT, "requested_revision": "main"}
    assert hub.fetched[0] == "config.json"
    assert sorted(names) == sorted(hub.fetched) == sorted(path.name for path in marian.iterdir())
    assert all((folder / name).read_bytes() == (marian / name).read_bytes() for name in names)
    assert f"pin it with back_translation.revision={COMMIT}" in capsys.readouterr().err


def test_a_model_of_the_other_kind_stops_before_its_weights(marian, tmp_path):
    with Hub(marian) as hub:
        threading.Thread(target=hub.serve_forever, daemon=True).start()
        with pytest.raises(UserError, match=r"a seq2seq model \(marian\): choose back_translation=seq2seq"):
            fetch("someone/tiny", settings("someone/tiny", "causal"), tmp_path, hub.endpoint)
        hub.shutdown()
    assert hub.fetched == ["config.json"]


def test_without_network_it_is_said_what_to_do(tmp_path):
    with pytest.raises(UserError, match=r"someone/tiny: the Hugging Face hub cannot be reached.*a folder does as well"):
        fetch("someone/tiny", settings("someone/tiny"), tmp_path, "http://127.0.0.1:9")


def test_a_folder_without_weights_is_refused(marian, tmp_path):
    given = shutil.copytree(marian, tmp_path / "given", ignore=shutil.ignore_patterns("*.safetensors"))
    (tmp_path / "out").mkdir()
    with pytest.raises(UserError, match=r"needs config.json and weights .*, and has config.json"):
        fetch_translator(settings(str(given)), {}, tmp_path / "out", here())


@pytest.mark.parametrize("model", [None, "", "./nowhere", "/nowhere/at/all", "a name with spaces"])
def test_what_is_neither_a_name_nor_a_folder_is_refused(model):
    with pytest.raises(ValidationError, match=r"names no model|there is no such folder"):
        settings(model)


def test_weights_are_safetensors_where_there_are_any():
    both = ["model.safetensors", "pytorch_model.bin", "config.json", "onnx/model.onnx", "rust_model.ot"]
    assert translator_files(both) == ["config.json", "model.safetensors"]
    nllb = ["sentencepiece.bpe.model", "special_tokens_map.json", "tokenizer.json", "pytorch_model.bin"]
    assert sorted(translator_files(nllb)) == sorted(nllb)
    assert translator_files([]) == []
