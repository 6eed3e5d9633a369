"""ingest_bitext on real pairs: counts, the corpus's split, overlap in all directions, faults."""

import hashlib
import json

import pyarrow.parquet as pq
import pytest
from ingest_case import DATA, SMALL, TATAR, pair_card, run_bitext, run_corpus, text_card

from pipeline.errors import UserError
from stages.shared.overlap import SentenceIndex
from stages.shared.split import SPLITS, split_of


def rows(bitext, split):
    return pq.read_table(bitext / f"{split}.parquet").to_pylist()


def summary(bitext):
    return json.loads((bitext / "bitext.json").read_text())


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return run_corpus(tmp_path_factory.mktemp("corpus") / "out", text_card())


@pytest.fixture(scope="module")
def bitext(corpus, tmp_path_factory):
    return run_bitext(tmp_path_factory.mktemp("bitext") / "out", corpus, pair_card())


def test_artifact(bitext):
    assert sorted(path.name for path in bitext.iterdir()) == [
        "bitext.json", "test.parquet", "train.parquet", "validation.parquet",
    ]  # fmt: skip
    table = pq.read_table(bitext / "train.parquet")
    assert table.column_names == ["id", "group", "card", "source_text", "target_text"]
    (counts,) = summary(bitext)["cards"]
    assert counts["pairs"] == 400 == counts["kept"] + sum(counts["dropped"].values())
    assert counts["licence"] == "mpl-2.0"
    assert sum(split["pairs"] for split in summary(bitext)["splits"].values()) == counts["kept"] > 300


def test_split_is_the_corpus_split(bitext):
    assert summary(bitext)["split"] == SMALL.model_dump()
    for split in SPLITS:
        assert rows(bitext, split)
        assert {split_of(row["group"], SMALL) for row in rows(bitext, split)} == {split}


def test_same_bytes_again(corpus, bitext, tmp_path):
    again = run_bitext(tmp_path / "other", corpus, pair_card())
    for path in bitext.iterdir():
        digests = [hashlib.sha256((folder / path.name).read_bytes()).hexdigest() for folder in (bitext, again)]
        assert digests[0] == digests[1]


def test_nothing_held_out_is_in_any_training_text(tmp_path):
    """The bitext is the very text of the corpus, under another card's name, so that its groups fall otherwise."""
    source = tmp_path / "in"
    source.mkdir()
    lines = [line for line in (DATA / "dutch.txt").read_text().splitlines() if line]
    (source / "pairs.tsv").write_text("".join(f"Sentence {line} here\t{line}\n" for line in lines))
    corpus = run_corpus(tmp_path / "corpus", text_card())
    bitext = run_bitext(tmp_path / "bitext", corpus, pair_card(source, "pairs.tsv"))

    held_out = [row["text"] for split in ("validation", "test") for row in rows(corpus, split)]
    held_out = SentenceIndex(line for text in held_out for line in text.split("\n"))
    assert rows(bitext, "train")
    assert not any(held_out.overlaps(row["target_text"]) for row in rows(bitext, "train"))
    pairs = [row for split in ("validation", "test") for row in rows(bitext, split)]
    targets = SentenceIndex(row["target_text"] for row in pairs)
    sources = SentenceIndex(row["source_text"] for row in pairs)
    assert not any(targets.overlaps(line) for row in rows(corpus, "train") for line in row["text"].split("\n"))
    assert not any(targets.overlaps(row["target_text"]) for row in rows(bitext, "train"))
    assert not any(sources.overlaps(row["source_text"]) for row in rows(bitext, "train"))
    assert summary(bitext)["overlap"] == 0
    assert summary(bitext)["cards"][0]["dropped"]["overlap"] > 100


def test_what_another_bitext_holds_out_is_held_out_here(corpus, bitext, tmp_path):
    """The same pairs under another card's name, so that their groups fall otherwise."""
    alone = run_bitext(tmp_path / "alone", corpus, pair_card(name="other"))
    beside = run_bitext(tmp_path / "beside", corpus, pair_card(name="other"), bitext=bitext)
    held_out = SentenceIndex(row["target_text"] for split in ("validation", "test") for row in rows(bitext, split))
    overlap = [[held_out.overlaps(row["target_text"]) for row in rows(made, "train")] for made in (alone, beside)]
    assert sum(overlap[0]) > 5
    assert sum(overlap[1]) == 0
    assert len(overlap[1]) == len(overlap[0]) - sum(overlap[0]) > 100


def test_reasons(corpus, tmp_path):
    source = tmp_path / "in"
    source.mkdir()
    whole = (DATA / "en-nl.tsv").read_text()
    extra = [
        whole.splitlines()[0],
        "A line that was not translated\tA line that was not translated",
        "Firefox\tFirefox",
        "OK\t" + "veel te lange vertaling " * 5,
        "Nothing\t",
        "12\t12",
        "Files\tФайллар",
        "It was left in English by the people who translated it\tIt was left in English by people who wrote it down",
        "Diese Seite ist auf Deutsch und nicht auf Englisch geschrieben\tDeze pagina is in het Duits geschreven",
    ]
    (source / "pairs.tsv").write_text(whole + "\n".join(extra) + "\n")
    bitext = run_bitext(tmp_path / "out", corpus, pair_card(source, "pairs.tsv"))
    dropped = summary(bitext)["cards"][0]["dropped"]
    expected = {
        "duplicate": 1, "untranslated": 1, "length_ratio": 1, "empty": 1, "no_letters": 1, "script": 1, "language": 1,
        "source_language": 1,
    }  # fmt: skip
    before = summary(run_bitext(tmp_path / "before", corpus, pair_card()))["cards"][0]["dropped"]
    assert {reason: dropped[reason] - before.get(reason, 0) for reason in expected} == expected
    assert any(row["source_text"] == "Firefox" for split in SPLITS for row in rows(bitext, split))


def test_a_pair_of_two_cards_counts_once(corpus, tmp_path):
    found = summary(run_bitext(tmp_path / "out", corpus, pair_card(name="first"), pair_card(name="second")))
    first, second = found["cards"]
    assert first["kept"] > 300
    assert second["kept"] == 0
    assert second["dropped"]["duplicate"] > 300


def test_bitext_without_pairs_of_the_language(corpus, tmp_path):
    with pytest.raises(UserError, match=r"the bitext has no training pairs: none of pairs stayed.*alignment=table"):
        run_bitext(tmp_path / "out", corpus, pair_card(), language=TATAR)


def test_a_card_without_pairs_beside_one_with_pairs_is_refused(corpus, tmp_path):
    (tmp_path / "empty.tsv").touch()
    with pytest.raises(UserError, match=r"empty\.tsv: file: no text in its 0 bytes"):
        run_bitext(tmp_path / "out", corpus, pair_card(), pair_card(tmp_path, "empty.tsv", "nothing"))


def test_cards_that_are_not_parallel(corpus, tmp_path):
    with pytest.raises(UserError, match="data card text is monolingual; a bitext takes parallel ones"):
        run_bitext(tmp_path / "a", corpus, text_card())
    with pytest.raises(UserError, match=r"the bitext has no data cards.*alignment=table"):
        run_bitext(tmp_path / "b", corpus)


def test_a_line_without_a_tab(corpus, tmp_path):
    source = tmp_path / "in"
    source.mkdir()
    (source / "pairs.tsv").write_text("one\teen\ntwo\n")
    with pytest.raises(UserError, match=r"pairs\.tsv: line 2: no tab"):
        run_bitext(tmp_path / "out", corpus, pair_card(source, "pairs.tsv"))
