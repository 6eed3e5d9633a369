"""The default method: aligned words, and copies of what is no word, whatever the style of either vocabulary."""

import random

import numpy as np
import pytest
import tiny_vocabularies as tiny

from stages.map_embeddings.catalogue import INIT_METHODS
from stages.map_embeddings.initialization import ALIGNED, COPIED, SPELLED, UNMAPPED, MappingTask
from stages.map_embeddings.prior import leaning

STYLES = ("byte_level", "sentencepiece", "wordpiece")
SOURCE = [" house", " boat", " 7", "7", "8", "!", "s", " één"]
TARGET = [" huis", " boot", " 7", "7", "8", "!", "s", " één", " huisboot"]


@pytest.mark.parametrize("target_style", STYLES)
@pytest.mark.parametrize("source_style", STYLES)
def test_words_are_aligned_and_the_rest_is_copied_in_all_pairs_of_styles(tmp_path, source_style, target_style):
    source = tiny.load(tmp_path / "source", source_style, SOURCE)
    target = tiny.load(tmp_path / "target", target_style, TARGET)
    pairs = [
        (" house", " huis", 30),
        (" boat", " huis", 10),
        (" boat", " boot", 20),
        (" house", " 7", 50),
        ("!", "8", 40),
    ]
    rows = [(tiny.written(s, source_style), tiny.written(t, target_style), count) for s, t, count in pairs]
    table = tiny.write_lines(tmp_path / "table.tsv", rows)
    mapped = INIT_METHODS["aligned"](MappingTask(source, target, table), min_count=10)

    def row(word):
        found = mapped.weights[target.ids[tiny.written(word, target_style)]]
        return {source.tokens[column]: found[0, column] for column in found.nonzero()[1]}

    assert row(" huis") == {tiny.written(" house", source_style): 0.75, tiny.written(" boat", source_style): 0.25}
    # The table pairs a number and a punctuation mark with words, as aligners do; the source has them itself.
    for word in (" 7", "7", "8", "!"):
        assert row(word) == {tiny.written(word, source_style): 1.0}, word
        assert mapped.how[target.ids[tiny.written(word, target_style)]] == COPIED
    for token in ("<s>", "</s>", "<unk>"):
        found = mapped.weights[target.ids[token]]
        assert (found.indices.tolist(), found.data.tolist()) == ([source.ids[token]], [1.0])
    sums = np.asarray(mapped.weights.sum(axis=1)).ravel()
    assert np.all(np.isclose(sums, 1.0) | (sums == 0.0))
    assert sums[target.ids[tiny.written(" huisboot", target_style)]] == pytest.approx(1.0)


@pytest.mark.parametrize("share", [0.25, 1.0])
def test_rows_lean_on_how_a_token_is_spelled_and_copies_stay(tmp_path, share):
    source = tiny.load(tmp_path / "source", "sentencepiece", [" house", "▁", "h", "u", "i", "s", "!"])
    target = tiny.load(tmp_path / "target", "sentencepiece", [" house", "huis", "!"])
    table = tiny.write_lines(tmp_path / "table.tsv", [(tiny.written(" house", "sentencepiece"), "huis", 30)])
    mapped = INIT_METHODS["aligned"](MappingTask(source, target, table), min_count=10)
    leant = leaning(mapped, share)

    def row(token):
        found = leant.weights[target.ids[token]]
        return {source.tokens[column]: found[0, column] for column in found.nonzero()[1]}

    aligned = {} if share == 1 else {"▁house": 1 - share}
    assert row("huis") == pytest.approx(aligned | dict.fromkeys("huis", share / 4))
    assert row("!") == {"!": 1.0}
    assert leant.how[target.ids["!"]] == COPIED
    sums = np.asarray(leant.weights.sum(axis=1)).ravel()
    assert np.all(np.isclose(sums, 1.0) | (sums == 0.0))


def test_a_row_without_evidence_is_that_of_the_prior_whatever_the_share(tmp_path):
    source = tiny.load(tmp_path / "source", "sentencepiece", [" house", "q", "u"])
    target = tiny.load(tmp_path / "target", "sentencepiece", [" huis", "quq"])
    table = tiny.write_lines(tmp_path / "table.tsv", [("▁house", "▁huis", 30)])
    mapped = INIT_METHODS["aligned"](MappingTask(source, target, table), min_count=10)
    lone, word = target.ids["quq"], target.ids["▁huis"]
    assert mapped.how[lone] == UNMAPPED
    for share in (0.0, 0.5, 1.0):
        leant = leaning(mapped, share)
        assert (leant.how[lone], leant.how[word]) == (SPELLED, SPELLED if share == 1 else ALIGNED)
        assert leant.weights[lone, source.ids["q"]] == pytest.approx(2 / 3)
        assert leant.weights[lone, source.ids["u"]] == pytest.approx(1 / 3)


def test_only_a_number_of_the_same_text_is_a_copy_and_leans_on_nothing(tmp_path):
    source = tiny.load(tmp_path / "source", "byte_level", [" house", "21"])
    target = tiny.load(tmp_path / "target", "byte_level", [" huis", "21", "345"])
    table = tiny.write_lines(tmp_path / "table.tsv", [("Ġhouse", "Ġhuis", 30)])
    mapped = INIT_METHODS["aligned"](MappingTask(source, target, table), min_count=10)
    assert [mapped.how[target.ids[number]] for number in ("21", "345")] == [COPIED, SPELLED]

    def sources(leant, number):
        row = leant.weights[target.ids[number]]
        return {source.tokens[column]: weight for column, weight in zip(row.indices, row.data, strict=True)}

    assert sources(mapped, "345") == {"3": 1.0}  # the first token of it, as the paper has it
    assert sources(leaning(mapped, 1.0), "345") == pytest.approx(dict.fromkeys("345", 1 / 3))
    assert sources(leaning(mapped, 1.0), "21") == {"21": 1.0}


@pytest.mark.parametrize("styles", [("byte_level", "wordpiece"), ("wordpiece", "byte_level")])
def test_the_order_of_neither_vocabulary_changes_a_weight(tmp_path, styles):
    words = [*SOURCE, "house", "hou", " b"], [*TARGET, "hui", "oot", " 78", " boothuis"]
    names = [[tiny.written(word, style) for word in part] for part, style in zip(words, styles, strict=True)]
    generator = random.Random(1)
    rows = [(generator.choice(names[0]), generator.choice(names[1]), generator.randint(8, 99)) for _ in range(12)]
    table, found = tiny.write_lines(tmp_path / "table.tsv", rows), []
    for number in range(3):
        source, target = (
            tiny.load(tmp_path / f"{side}_{number}", style, generator.sample(part, len(part)))
            for side, style, part in zip(("source", "target"), styles, words, strict=True)
        )
        aligned = INIT_METHODS["aligned"](MappingTask(source, target, table), min_count=10)
        made = [aligned.weights, aligned.prior.weights, leaning(aligned, 0.5).weights]
        found.append([by_token(weights, source, target) for weights in made])
        found[-1].append({token: int(code) for token, code in zip(target.tokens, aligned.how, strict=True)})
    assert found[0] == found[1] == found[2]  # to the last bit


def by_token(weights, source, target):
    entries = weights.tocoo()
    cells = zip(entries.row, entries.col, entries.data, strict=True)
    return {(target.tokens[row], source.tokens[column]): weight for row, column, weight in cells}
