"""What `make explain` says of a token, on tiny models made by the stage."""

import io
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tiny_vocabularies as tiny
from preset_mapping import calibrated_preset, preset
from rich.console import Console
from tiny_decoders import save_decoder

from pipeline.errors import UserError
from pipeline.stage import Execution
from stages.map_embeddings.explanation import explain
from stages.map_embeddings.explanation_tables import explanation_tables
from stages.map_embeddings.stage import map_embeddings
from stages.map_embeddings.token_lookup import find_tokens
from stages.shared.model_folder import open_model
from stages.shared.token_text import load_vocabulary

HOSTILE = " \x1b[31m[red]"


@pytest.fixture(scope="module")
def given(tmp_path_factory):
    folder = tmp_path_factory.mktemp("explained")
    base = tiny.make(folder / "base", "byte_level", [" house", " boat", "s"])
    save_decoder(base, 1, vocab_size=270)
    target = tiny.make(folder / "target", "sentencepiece", [" huis", " boot", " huisje", "huis", HOSTILE])
    (folder / "alignment").mkdir()
    rows = [("Ġhouse", "▁huis", 40), ("Ġboat", "▁huis", 10), ("Ġboat", "▁huis—huis", 3), ("<eps>", "▁huis", 99)]
    tiny.write_lines(folder / "alignment" / "table.tsv", rows)
    return {"base_model": base, "tokenizer": target, "alignment": folder / "alignment"}


def made(given, folder, method="trans_tokenize"):
    """Return the folders that `explain` reads, for one method."""
    settings = preset(method)
    inputs = {name: path for name, path in given.items() if name != "alignment" or settings.mapping.needs_alignment}
    folder.mkdir()
    map_embeddings(settings, inputs, folder, None)
    return {**inputs, "initialized_model": folder}


def made_calibrated(given, folder, tied=True, **calibration):
    """Return the folders of the default mapping, calibrated on text of its own words."""
    folder.mkdir()
    inputs = dict(given)
    if tied:
        inputs["base_model"] = shutil.copytree(given["base_model"], folder / "base")
        save_decoder(inputs["base_model"], 1, vocab_size=270, tie_word_embeddings=True, initializer_range=0.3)
    inputs["corpus"] = folder / "corpus"
    inputs["corpus"].mkdir()
    texts = ["huis boot huisje 7 " * 9] * 9 + ["boot"]
    columns = {"id": [str(number) for number in range(len(texts))], "text": texts}
    pq.write_table(pa.table(columns), inputs["corpus"] / "train.parquet")
    model = folder / "model"
    model.mkdir()
    metrics = map_embeddings(calibrated_preset(**calibration), inputs, model, Execution.model_construct(device="cpu"))
    assert metrics["calibration_strength"] > 0
    return {**inputs, "initialized_model": model}


def printed(explanation):
    console = Console(file=io.StringIO(), width=140, markup=False, highlight=False)
    for part in explanation_tables(explanation):
        console.print(part)
    return console.file.getvalue()


def test_an_aligned_token_has_its_sources_words_and_neighbours(given, tmp_path):
    found = explain("▁huis", made(given, tmp_path / "model"), min_count=10)
    (token,) = found.tokens
    assert (token.token, token.how) == ("▁huis", "aligned")
    assert [(source.token, source.value) for source in token.sources] == [
        ("▁house", pytest.approx(0.8)),
        ("▁boat", pytest.approx(0.2)),
    ]
    pairs = [(pair.source, pair.target, pair.expected_count, pair.used) for pair in token.pairs]
    assert pairs == [("▁house", "▁huis", 40, True), ("▁boat", "▁huis", 10, True), ("▁boat", "▁huis|huis", 3, False)]
    assert token.near_base[0].token == "▁house"
    assert token.id not in [near.id for near in token.near_new]
    assert "not used: below 10" in printed(found)


def test_the_words_of_another_pivot_are_told_apart(given, tmp_path):
    (tmp_path / "ru").mkdir()
    tiny.write_lines(tmp_path / "ru" / "table.tsv", [("s", "▁huis", 50), ("s", "▁boot", 3)])
    found = explain("▁huis", made({**given, "alignment_ru": tmp_path / "ru"}, tmp_path / "model"), min_count=10)
    (token,) = found.tokens
    assert (token.sources[0].token, token.sources[0].value) == ("s", pytest.approx(0.5))
    assert [(pair.source, pair.pivot) for pair in token.pairs[:2]] == [("s", "ru"), ("▁house", None)]
    assert "pivot ru" in printed(found)


@pytest.mark.parametrize("method", ["mean", "random", "subtoken_mean"])
def test_without_alignment_the_rest_is_shown_and_it_says_so(given, tmp_path, method):
    shown = printed(explain("boot", made(given, tmp_path / "model", method)))
    assert "this mapping uses no alignment" in shown
    assert "nearest rows" in shown
    assert {"mean": "mean of all source rows", "random": "was drawn", "subtoken_mean": "tokens that spell it"}[
        method
    ] in shown


@pytest.mark.parametrize(
    ("share", "how", "weights", "used"),
    [
        (0.0, "aligned", {"▁house": 0.8, "▁boat": 0.2}, True),
        (0.5, "aligned", {"▁house": 0.4, "▁boat": 0.1, "h": 0.1, "u": 0.1, "i": 0.1, "s": 0.1, "▁": 0.1}, True),
        (1.0, "spelled", {"▁": 0.2, "h": 0.2, "u": 0.2, "i": 0.2, "s": 0.2}, False),
    ],
)
def test_a_row_that_leans_on_spelling_says_by_how_much(given, tmp_path, share, how, weights, used):
    folders = made_calibrated(given, tmp_path / "made", prior_shares=[share])
    found = explain("▁huis", folders, min_count=10)
    (token,) = found.tokens
    assert (token.how, {source.token: source.value for source in token.sources}) == (how, pytest.approx(weights))
    assert [pair.used for pair in token.pairs] == [used, used, False]
    shown = printed(found)
    assert "lean on how a token is spelled " + {0: "not at all", 0.5: "by 50%", 1: "by 100%"}[share] in shown
    assert ("50% of the weights below" in shown) == (share == 0.5)
    assert ("tokens that spell it" in shown) == (share == 1)
    assert ("not used: the row is spelled" in shown) == (share == 1)


@pytest.mark.parametrize("tied", [True, False])
def test_a_calibrated_row_says_how_far_it_was_shifted_from_its_sources_mean_a_copy_too(given, tmp_path, tied):
    folders = made_calibrated(given, tmp_path / "made", tied)
    new, base = open_model(folders["initialized_model"]), open_model(folders["base_model"])
    assert (new.head_name is None) == tied
    rows, source_rows = (model.read(model.head_name or model.input_name).numpy() for model in (new, base))
    found = explain("▁huis", folders, min_count=10)
    copy = explain("<s>", folders, min_count=10)
    for explained in (found.tokens[0], copy.tokens[0]):
        mean = sum(source.value * source_rows[source.id] for source in explained.sources)
        wanted = np.linalg.norm(rows[explained.id] - mean) / np.linalg.norm(mean)
        assert explained.moved == pytest.approx(wanted, rel=1e-3)
        assert explained.moved > 1e-3
    assert copy.tokens[0].how == "copied"
    who = "the row was" if tied else "the head's row was"
    assert f"calibration: {who} shifted by {copy.tokens[0].moved:.1%} of the length" in printed(copy)
    assert "calibration" not in printed(explain("<s>", made(given, tmp_path / "plain"), min_count=10))


def test_an_artifact_from_before_does_not_say_how(given, tmp_path):
    folders = made(given, tmp_path / "model")
    (tmp_path / "model" / "how.npy").unlink()
    found = explain("▁huis", folders, min_count=10)
    assert found.tokens[0].how == "not recorded"
    assert "how: not recorded" in printed(found)


@pytest.mark.parametrize(
    ("asked", "tokens"),
    [
        ("▁huis", ["▁huis"]),
        (" huis", ["▁huis"]),
        ("huis", ["huis", "▁huis"]),
        ("boot", ["▁boot"]),
        ("#3", ["▁huis"]),
        ("<s>", ["<s>"]),
        ("<0x0A>", ["<0x0A>"]),
        ("boot huisje", ["▁boot", "▁huisje"]),
        ("huisjes", ["▁huisje", "<0x73>"]),
    ],
)
def test_a_token_is_found_by_word_spelling_or_id(given, asked, tokens):
    target = load_vocabulary(given["tokenizer"])
    assert [target.tokens[row] for row in find_tokens(asked, target)] == tokens


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("▁huisj", "no token '▁huisj'.*Near it: .*▁huisje"),
        ("#99999", "no token #99999: the ids go from #0"),
        ("", "which token"),
        ("\udcff", "not UTF-8"),
    ],
)
def test_an_unknown_token_is_an_error_that_helps(given, asked, said):
    with pytest.raises(UserError, match=said):
        find_tokens(asked, load_vocabulary(given["tokenizer"]))


def test_a_token_can_neither_steer_the_terminal_nor_be_read_as_markup(given, tmp_path):
    shown = printed(explain("▁\x1b[31m[red]", made(given, tmp_path / "model")))
    assert "▁⟨U+001B⟩[31m[red]" in shown
    assert "\x1b" not in shown
