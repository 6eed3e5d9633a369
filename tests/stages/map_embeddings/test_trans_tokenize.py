from fractions import Fraction

import numpy as np
import pytest
import tiny_vocabularies as tiny
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.errors import UserError
from stages.map_embeddings.catalogue import INIT_METHODS
from stages.map_embeddings.initialization import HOW, MappingTask
from stages.map_embeddings.resolve import explicit_unknown
from stages.map_embeddings.smoothing import smooth
from stages.map_embeddings.token_counts import TIE, added_counts, aligned_counts, sum_pairs
from stages.shared.alignment_table import read_columns

STYLES = ("byte_level", "sentencepiece", "wordpiece")
WORKED_EXAMPLE = [
    ("▁fifteen", "▁vijftien", 52.7),
    ("▁Fif—teen", "▁Vijf—tien", 101),
    ("▁house", "▁huis", 40),
    ("▁boat", "▁b—oot", 9.99),
    ("▁house—boat", "▁huis—b—oot", 60),
    ("<eps>", "▁huis", 99),
]
SOURCE = [" fifteen", " Fif", "teen", " house", " boat", "boat", "b"]
TARGET = [" vijftien", " Vijf", "tien", " huis", " b", "oot", "b", " huisboot", " Vij"]


def named(counts, source, target):
    rows, columns = counts.nonzero()
    found: dict[str, dict[str, int]] = {}
    for row, column in zip(rows, columns, strict=True):
        found.setdefault(target.tokens[row], {})[source.tokens[column]] = counts[row, column]
    return found


def run(tmp_path, rows, source, target, min_count=10):
    table = tiny.write_lines(tmp_path / "table.tsv", rows)
    return INIT_METHODS["trans_tokenize"](MappingTask(source, target, table), min_count=min_count)


def restyle(rows, styles):
    def unit(text, style):
        return "—".join(tiny.written(token.replace("▁", " "), style) for token in text.split("—"))

    return [(s if s == "<eps>" else unit(s, styles[0]), unit(t, styles[1]), count) for s, t, count in rows]


@pytest.mark.parametrize("target_style", STYLES)
@pytest.mark.parametrize("source_style", STYLES)
def test_worked_example_in_all_pairs_of_styles(tmp_path, source_style, target_style):
    source = tiny.load(tmp_path / "source", source_style, SOURCE)
    target = tiny.load(tmp_path / "target", target_style, TARGET)
    table = tiny.write_lines(tmp_path / "table.tsv", restyle(WORKED_EXAMPLE, (source_style, target_style)))
    counts = aligned_counts(read_columns(table), source, target, min_count=10) + added_counts(source, target)
    found = named(counts, source, target)
    expected = {
        " Vijf": {" Fif": 75, "teen": 25},
        "tien": {" Fif": 25, "teen": 75},
        " vijftien": {" fifteen": 52},
        " huis": {" house": 85, "boat": 15},
        "oot": {" house": 15, "boat": 45},
        "b": {" house": 30, "boat": 30, "b": 1},
    }
    for token, partners in expected.items():
        wanted = {tiny.written(partner, source_style): count for partner, count in partners.items()}
        assert found[tiny.written(token, target_style)] == wanted, token


def test_special_tokens_are_tied_outright(tmp_path):
    source = tiny.load(tmp_path / "source", "byte_level", SOURCE, special=("<unk>", "</s>"))
    target = tiny.load(tmp_path / "target", "sentencepiece", TARGET)
    result = run(tmp_path, WORKED_EXAMPLE, source, target)
    assert result.counts[target.ids["</s>"], source.ids["</s>"]] == TIE + 1
    assert result.counts[target.ids["<s>"], source.ids["<unk>"]] == TIE
    weights = explicit_unknown(result, source)
    assert weights[target.ids["<s>"], source.ids["<unk>"]] == pytest.approx(1.0)


def test_same_text_meets_in_another_spelling(tmp_path):
    source = tiny.load(tmp_path / "source", "byte_level", [" één", "één"])
    target = tiny.load(tmp_path / "target", "sentencepiece", [" één", "één"])
    found = named(added_counts(source, target), source, target)
    assert found["▁één"] == {"ĠÃ©Ã©n": 1}
    assert found["één"] == {"Ã©Ã©n": 1}
    assert found["<0xC3>"] == {"Ã": 1}


def test_numbers_get_one_for_each_way_they_are_a_token_and_never_a_bare_word_start(tmp_path):
    source = tiny.load(tmp_path / "source", "sentencepiece", ["1", "2", "12"])
    target = tiny.load(tmp_path / "target", "byte_level", ["12", " 12", "21"])
    found = named(added_counts(source, target), source, target)
    # "12": a target token, made one token, and the same string
    assert found["12"] == {"12": 3}
    assert found["Ġ12"] == {"12": 1}
    # 21 is no source token: its first source token that is not blank, twice
    assert found["21"] == {"2": 2}


def test_all_rows_sum_to_one_and_the_rest_is_unknown(tmp_path):
    source = tiny.load(tmp_path / "source", "sentencepiece", SOURCE)
    target = tiny.load(tmp_path / "target", "sentencepiece", [*TARGET, " 漢"])
    result = run(tmp_path, WORKED_EXAMPLE, source, target)
    weights = explicit_unknown(result, source)
    np.testing.assert_allclose(np.asarray(weights.sum(axis=1)).ravel(), 1.0, rtol=1e-12)
    row = target.ids["▁漢"]
    assert weights[row, source.ids["▁"]] == 1.0  # ▁ itself is mapped, and is the only mapped part
    assert HOW[result.how[target.ids["▁huisboot"]]] == "smoothed"
    assert HOW[result.how[target.ids["▁huis"]]] == "aligned"
    assert HOW[result.how[target.ids["<0x41>"]]] == "copied"


def test_smoothing_weighs_word_starts_twice(tmp_path):
    source = tiny.load(tmp_path / "source", "sentencepiece", SOURCE)
    target = tiny.load(tmp_path / "target", "sentencepiece", TARGET)
    weights = run(tmp_path, WORKED_EXAMPLE, source, target).weights
    # ▁Vij: ▁Vijf begins with it (▁Fif 2 x 75, teen 25); ▁ is its only mapped part (▁ itself, 2 x 100)
    row = {source.tokens[c]: weights[target.ids["▁Vij"], c] for c in weights[target.ids["▁Vij"]].nonzero()[1]}
    total = Fraction(150 + 25 + 200)
    assert row == pytest.approx({"▁Fif": 150 / total, "teen": 25 / total, "▁": 200 / total})


LETTERS = st.text("abc", min_size=1, max_size=5)
WORDS = st.lists(st.tuples(st.booleans(), LETTERS), min_size=2, max_size=14, unique=True).map(
    lambda words: [f" {text}" if starts else text for starts, text in words]
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data(), style=st.sampled_from(STYLES))
def test_the_order_of_the_vocabularies_changes_nothing(tmp_path_factory, data, style):
    words = data.draw(WORDS), data.draw(WORDS)
    shuffled = data.draw(st.permutations(words[0])), data.draw(st.permutations(words[1]))
    folder = tmp_path_factory.mktemp("order")
    cells = data.draw(st.lists(st.tuples(st.integers(0, 13), st.integers(0, 13), st.integers(1, 99)), max_size=8))
    found = []
    for name, (sources, targets) in (("a", words), ("b", shuffled)):
        source = tiny.load(folder / f"s{name}", style, list(sources))
        target = tiny.load(folder / f"t{name}", style, list(targets))
        triples = [
            (
                target.ids[tiny.written(words[1][t % len(words[1])], style)],
                source.ids[tiny.written(words[0][s % len(words[0])], style)],
                count,
            )
            for s, t, count in cells
        ]
        pairs = [tuple(np.array(column, dtype=np.int64) for column in zip(*triples, strict=True))] if triples else []
        weights, _ = smooth(sum_pairs(pairs, source, target), source, target)
        coo = weights.tocoo()
        entries = zip(coo.row, coo.col, coo.data, strict=True)
        found.append({(target.tokens[row], source.tokens[column]): weight for row, column, weight in entries})
    assert found[0] == found[1]  # to the last bit


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(words=WORDS, counts=st.lists(st.integers(0, 3), min_size=14, max_size=14))
def test_smoothing_equals_its_quadratic_definition(tmp_path_factory, words, counts):
    folder = tmp_path_factory.mktemp("naive")
    source = tiny.load(folder / "source", "wordpiece", [" x", "y"])
    target = tiny.load(folder / "target", "wordpiece", words)
    rows = [target.ids[tiny.written(word, "wordpiece")] for word in words]
    triples = [
        (row, source.ids["x"] + place % 2, n) for place, (row, n) in enumerate(zip(rows, counts, strict=False)) if n
    ]
    pairs = [tuple(np.array(column) for column in zip(*triples, strict=True))] if triples else []
    weights, _ = smooth(sum_pairs(pairs, source, target), source, target)
    own = {triple[0]: triple[1] for triple in triples}
    for row in rows:
        if row in own:
            continue
        text = target.text[row]
        within = [other for other in own if target.text[other] in text]
        lenders = [o for o in own if target.text[o].startswith(text)]
        lenders += [o for o in within if not any(o != p and target.text[o] in target.text[p] for p in within)]
        evidence = np.zeros(len(source))
        for lender in lenders:
            evidence[own[lender]] += 2.0 if source.starts_word[own[lender]] else 1.0
        wanted = evidence / evidence.sum() if lenders else evidence
        np.testing.assert_allclose(weights[row].toarray().ravel(), wanted)


def test_a_table_of_other_tokenizers_is_refused(tmp_path):
    source = tiny.load(tmp_path / "source", "sentencepiece", [" a"])
    target = tiny.load(tmp_path / "target", "sentencepiece", [" b"])
    with pytest.raises(UserError, match="none of the alignment table's tokens"):
        run(tmp_path, [("Ġzzz", "Ġyyy", 50)], source, target)
