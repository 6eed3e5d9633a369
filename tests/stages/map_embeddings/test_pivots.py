"""Counts of several pivot languages added up, on tables aligned from real English-Tatar and Russian-Tatar pairs."""

from collections import Counter

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tiny_vocabularies as tiny
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from ingest_case import DATA, ROOT

from stages.align_tokens.settings import AlignTokensSettings
from stages.align_tokens.stage import align_tokens
from stages.map_embeddings.catalogue import INIT_METHODS
from stages.map_embeddings.initialization import MappingTask
from stages.map_embeddings.resolve import explicit_unknown
from stages.map_embeddings.stage import evidence
from stages.map_embeddings.token_counts import added_counts

PAIRS = {code: (DATA / f"{code}-tt.tsv").read_text(encoding="utf-8").splitlines() for code in ("en", "ru")}
WORDS = 300
"""The most frequent words of a side are tokens, all others are spelled."""


def side(code, number):
    return [line.split("\t")[number] for line in PAIRS[code]]


def frequent(texts):
    counts = Counter(word for text in texts for word in text.split())
    return [f" {word}" for word, _ in counts.most_common(WORDS)]


@pytest.fixture(scope="module")
def aligned(tmp_path_factory):
    """The two vocabularies and the table of each language, aligned by the stage."""
    pytest.importorskip("systran_align")
    folder = tmp_path_factory.mktemp("pivots")
    letters = sorted({letter for code in PAIRS for letter in "".join(side(code, 1))})
    base = tiny.make(folder / "base", "byte_level", [word for code in PAIRS for word in frequent(side(code, 0))])
    target = tiny.make(folder / "target", "sentencepiece", [*frequent([*side("en", 1), *side("ru", 1)]), *letters])
    values = yaml.safe_load((ROOT / "conf" / "alignment" / "fast_align.yaml").read_text())
    tables = {}
    for code in PAIRS:
        bitext, out = folder / f"bitext_{code}", folder / f"alignment_{code}"
        for made in (bitext, out):
            made.mkdir()
        pairs = pa.table({"source_text": side(code, 0), "target_text": side(code, 1)})
        pq.write_table(pairs, bitext / "train.parquet")
        inputs = {"base_model": base, "tokenizer": target, "bitext": bitext}
        align_tokens(AlignTokensSettings.model_validate({"alignment": values}), inputs, out, None)
        tables[code] = out / "table.tsv"
    return tiny.load_vocabulary(base), tiny.load_vocabulary(target), tables


def mapped(aligned, table, *pivots):
    source, target, _ = aligned
    return INIT_METHODS["trans_tokenize"](MappingTask(source, target, table, pivots), min_count=1)


def equal(one, other):
    same = [getattr(one.weights, part) for part in ("data", "indices", "indptr")]
    return all(map(np.array_equal, same, [getattr(other.weights, part) for part in ("data", "indices", "indptr")]))


def test_rows_sum_to_one_and_both_languages_are_in_them(aligned):
    source, target, tables = aligned
    merged = mapped(aligned, tables["en"], tables["ru"])
    weights = explicit_unknown(merged, source)
    np.testing.assert_allclose(np.asarray(weights.sum(axis=1)).ravel(), 1.0, rtol=1e-12)
    of_language = {
        code: [source.ids[tiny.written(word, "byte_level")] for word in frequent(side(code, 0))] for code in PAIRS
    }
    row = merged.counts[target.ids["▁һәм"]].toarray().ravel()
    assert row[source.ids["Ġand"]] > 0
    assert row[source.ids[tiny.written(" и", "byte_level")]] > 0
    for columns in of_language.values():
        assert merged.weights[:, columns].sum() > 5


def test_an_empty_pivot_changes_nothing(aligned, tmp_path):
    tables = aligned[2]
    (tmp_path / "empty.tsv").write_text("")
    alone = mapped(aligned, tables["en"])
    assert equal(alone, mapped(aligned, tables["en"], tmp_path / "empty.tsv"))
    assert not equal(alone, mapped(aligned, tables["en"], tables["ru"]))


def test_the_order_of_the_pivots_does_not_matter(aligned):
    english, russian = aligned[2]["en"], aligned[2]["ru"]
    assert equal(mapped(aligned, english, russian), mapped(aligned, russian, english))


def test_a_row_is_the_mean_of_the_languages_rows_weighted_by_their_counts(aligned):
    source, target, tables = aligned
    english, russian, merged = (
        mapped(aligned, tables["en"]),
        mapped(aligned, tables["ru"]),
        mapped(aligned, tables["en"], tables["ru"]),
    )
    added = added_counts(source, target)
    assert (merged.counts != english.counts + russian.counts - added).nnz == 0
    evidence_of = [np.asarray(found.counts.sum(axis=1)).ravel() for found in (english, russian)]
    plain = np.asarray(added.sum(axis=1)).ravel() == 0
    both = np.flatnonzero(plain & (evidence_of[0] > 0) & (evidence_of[1] > 0))
    assert len(both) > 5
    for row in both:
        first, second = (float(counts[row]) for counts in evidence_of)
        mean = first * english.weights[row].toarray() + second * russian.weights[row].toarray()
        np.testing.assert_allclose(merged.weights[row].toarray(), mean / (first + second), rtol=1e-12)


@settings(max_examples=20, deadline=None)
@given(counts=st.tuples(st.integers(10, 5000), st.integers(10, 5000)))
def test_weights_follow_the_evidence(tmp_path_factory, counts):
    folder = tmp_path_factory.mktemp("evidence")
    source = tiny.load(folder / "source", "byte_level", [" and", " и"])
    target = tiny.load(folder / "target", "sentencepiece", [" һәм"])
    words = [tiny.written(word, "byte_level") for word in (" and", " и")]
    tables = [
        tiny.write_lines(folder / f"{number}.tsv", [(word, "▁һәм", count)])
        for number, (word, count) in enumerate(zip(words, counts, strict=True))
    ]
    merged = INIT_METHODS["trans_tokenize"](MappingTask(source, target, tables[0], (tables[1],)), min_count=10)
    row = merged.weights[target.ids["▁һәм"]].toarray().ravel()
    assert [row[source.ids[word]] for word in words] == pytest.approx([count / sum(counts) for count in counts])


def test_the_stage_takes_every_alignment_among_its_inputs(tmp_path):
    inputs = {"alignment_tr": tmp_path / "tr", "alignment": tmp_path / "en", "alignment_ru": tmp_path / "ru"}
    found = evidence(inputs)
    assert found["table"] == tmp_path / "en" / "table.tsv"
    assert found["pivot_tables"] == (tmp_path / "ru" / "table.tsv", tmp_path / "tr" / "table.tsv")
    assert evidence({"alignment": tmp_path / "en"})["pivot_tables"] == ()
