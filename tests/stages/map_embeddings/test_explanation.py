"""What `make explain` says of a token, on tiny models made by the stage."""

import io

import pytest
import tiny_vocabularies as tiny
from preset_mapping import preset
from rich.console import Console
from tiny_decoders import save_decoder

from pipeline.errors import UserError
from stages.map_embeddings.explanation import explain
from stages.map_embeddings.explanation_tables import explanation_tables
from stages.map_embeddings.stage import map_embeddings
from stages.map_embeddings.token_lookup import find_tokens
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
