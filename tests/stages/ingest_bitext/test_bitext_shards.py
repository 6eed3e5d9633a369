"""ingest_bitext by shards: the same whatever the shards and processes; sides that repeat, words that do not align."""

import json

import pyarrow.parquet as pq
import pytest
from ingest_case import CONFIG, CORPUS, DATA, DUTCH, card, execution, publish_killed_once, run_corpus, text_card

from pipeline.errors import UserError
from stages.ingest_bitext.settings import IngestBitextSettings, SideRepeats, WordAlignmentSettings
from stages.ingest_bitext.stage import ingest_bitext
from stages.shared.duplicates.settings import BenchmarkFile
from stages.shared.identity import id_sum
from stages.shared.split import SPLITS

LINES = (DATA / "en-nl.tsv").read_text().splitlines()


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return run_corpus(tmp_path_factory.mktemp("corpus") / "out", text_card())


def ingest(out, corpus, *cards, workers=1, benchmarks=None, **bitext):
    out.mkdir(parents=True, exist_ok=True)
    settings = IngestBitextSettings(
        language=DUTCH,
        bitext=CONFIG.bitext.model_copy(update=bitext),
        cards=cards,
        decontamination=CORPUS.decontamination.model_copy(update={"benchmarks": benchmarks or {}}),
    )
    ingest_bitext(settings, {"corpus": corpus}, out, execution(out).model_copy(update={"workers": workers}))
    return out


def source(folder, *texts):
    folder.mkdir()
    for number, text in enumerate(texts):
        (folder / f"{number}.tsv").write_text("\n".join(text) + "\n")
    return card(folder, "pairs", "tsv", "parallel", files="*.tsv", group_lines=1)


def kept(bitext):
    return [row for split in SPLITS for row in pq.read_table(bitext / f"{split}.parquet").to_pylist()]


def summary(bitext):
    return json.loads((bitext / "bitext.json").read_text())


def test_shards_and_processes_change_nothing(corpus, tmp_path):
    given = source(tmp_path / "in", LINES[:150], LINES[100:250], LINES[200:], LINES[:50])
    whole = ingest(tmp_path / "whole", corpus, given)
    small = CONFIG.bitext.reading.model_copy(update={"shard_bytes": 5_000})
    cut = ingest(tmp_path / "cut", corpus, given, workers=2, reading=small)
    assert kept(cut) == kept(whole)
    assert summary(cut) == summary(whole)
    assert summary(whole)["cards"][0]["dropped"]["duplicate"] >= 100


def test_every_pair_is_kept_or_dropped_by_its_id(corpus, tmp_path):
    given = source(tmp_path / "in", LINES[:150], [*LINES[100:250], "no tab", *LINES[:20]])
    skipping = CONFIG.bitext.reading.model_copy(update={"broken": "skip"})
    out = ingest(tmp_path / "out", corpus, given, reading=skipping)
    found = summary(out)["ids"]
    names = [f"pairs:0.tsv#{number}/0" for number in range(1, 151)]
    names += [f"pairs:1.tsv#{number}/0" for number in range(1, 172) if number != 151]
    (example,) = summary(out)["cards"][0]["broken"]["examples"]
    names.append(f"pairs:1.tsv: line 151: {example.partition('line 151: ')[2].partition('. Fetch')[0]}")
    assert found["input"] == len(names) == 321
    assert found["kept"] == len(kept(out)) == 321 - found["dropped"]
    assert found["hash_sum"] == f"{id_sum(names):016x}"

    (measured,) = (out / "checkpoints" / "measured").glob("*/measured.json")
    told = json.loads(measured.read_text())
    one, other = (id_sum([name]) for name in names[:2])
    measured.write_text(json.dumps(told | {"ids": told["ids"] - one + other}))  # one lost, another doubled
    with pytest.raises(RuntimeError, match=r"pairs were lost or doubled: \{'input': 321, .*sums of their hashes"):
        ingest(out, corpus, given, reading=skipping)


def test_a_run_killed_while_it_is_published_makes_no_shard_again(corpus, tmp_path, monkeypatch):
    given = source(tmp_path / "in", LINES)
    rule = WordAlignmentSettings(lexicon_pairs=1_000, min_count=2, min_words=3, threshold=0)
    folder = publish_killed_once(
        tmp_path, "bitext", lambda out: ingest(out, corpus, given, word_alignment=rule), monkeypatch
    )
    assert kept(folder) == kept(ingest(tmp_path / "undisturbed", corpus, given, word_alignment=rule))


def test_lengths_are_those_of_the_pairs(corpus, tmp_path):
    bitext = ingest(tmp_path / "out", corpus, source(tmp_path / "in", LINES))
    rows, found = kept(bitext), summary(bitext)["lengths"]
    assert found["words"]["target"] == sum(len(row["target_text"].split()) for row in rows)
    assert found["characters"]["source"] == sum(len(row["source_text"]) for row in rows)
    for unit, count in (("words", lambda text: len(text.split())), ("characters", len)):
        bins = found[unit]["target_by_source"]
        ratios = [count(row["target_text"]) / count(row["source_text"]) for row in rows]
        assert sum(one["pairs"] for one in bins) == len(rows)
        inner = [one for one in bins if one["from"] == 1.0]
        assert inner[0]["pairs"] == sum(1 <= ratio < 2**0.5 for ratio in ratios)


def test_a_side_with_too_many_other_sides(corpus, tmp_path):
    whole = [f"{line.split(chr(9))[0]}\t{line.split(chr(9))[1]}" for line in LINES]
    extra = [f"Click the button\tKlik op de knop nummer {word}" for word in ("een", "twee", "drie", "vier")]
    given = source(tmp_path / "in", [*whole, *extra])
    limits = SideRepeats(targets_per_source=2, sources_per_target=None)
    before = summary(ingest(tmp_path / "before", corpus, given))["cards"][0]["dropped"]
    bitext = ingest(tmp_path / "out", corpus, given, side_repeats=limits)
    gone = [one["target"] for one in summary(bitext)["examples"]["source_repeated"]]
    assert [text for text in gone if text.startswith("Klik op de knop nummer")] == [
        "Klik op de knop nummer drie",
        "Klik op de knop nummer vier",
    ]
    assert "source_repeated" not in before
    assert "target_repeated" not in summary(bitext)["cards"][0]["dropped"]


def test_pairs_whose_words_do_not_align(corpus, tmp_path):
    """Every tenth pair has another one's target side."""
    sides = [line.split("\t") for line in LINES]
    wrong = set(range(0, len(sides), 10))
    mixed = [
        f"{source}\t{sides[(number + 10) % len(sides)][1] if number in wrong else target}"
        for number, (source, target) in enumerate(sides)
    ]
    rule = WordAlignmentSettings(lexicon_pairs=1_000, min_count=2, min_words=3, threshold=0)
    bitext = ingest(tmp_path / "out", corpus, source(tmp_path / "in", mixed), word_alignment=rule)
    gone = summary(bitext)["cards"][0]["dropped"]["unaligned"]
    right = {line for number, line in enumerate(mixed) if number not in wrong}
    sound = sum(f"{one['source']}\t{one['target']}" in right for one in summary(bitext)["examples"]["unaligned"])
    assert gone >= 3
    assert sound <= gone / 2
    scores = summary(bitext)["alignment"]
    assert scores.pop("threshold") == 0
    for bins in scores.values():
        assert sum(one["pairs"] for one in bins if one["below"] <= 0) >= gone
        assert 100 < sum(one["pairs"] for one in bins) <= 400
        assert max(bins, key=lambda one: one["pairs"])["from"] > 0
    assert set(scores) == {"target_words", "source_words"}


def test_training_pairs_of_a_benchmark_go_and_are_listed(corpus, tmp_path):
    """The benchmark is a table of pairs, as Tatoeba's is: its target side counts, in training pairs only."""
    given = source(tmp_path / "in", LINES)
    before = ingest(tmp_path / "before", corpus, given)
    rows, held_out = (
        [row for split in splits for row in pq.read_table(before / f"{split}.parquet").to_pylist()]
        for splits in (("train",), ("validation", "test"))
    )
    known = sorted((row for row in rows if len(row["target_text"].split()) >= 5), key=lambda row: row["id"])[:3]
    asked = [*known, *held_out[:3]]
    table = [f"a source of its own {number}\t{row['target_text'].upper()}\t1" for number, row in enumerate(asked)]
    (tmp_path / "tatoeba.tsv").write_text("\n".join([*table, f"{rows[5]['source_text']}\tIets dat nergens staat.\t2"]))
    file = BenchmarkFile.model_validate({"path": tmp_path / "tatoeba.tsv", "column": 2})
    bitext = ingest(tmp_path / "out", corpus, given, benchmarks={"tatoeba": file})
    left = pq.read_table(bitext / "train.parquet").to_pylist()
    gone = {row["id"] for row in rows} - {row["id"] for row in left}
    found = summary(bitext)
    assert gone >= {row["id"] for row in known}
    assert found["cards"][0]["dropped"]["benchmark"] == len(gone) < 10
    assert {one["id"] for one in found["benchmarks"]["listed"]} == gone
    assert found["benchmarks"]["lines"]["tatoeba"] == len(found["benchmarks"]["listed"])
    assert {"benchmark": "tatoeba", "entry": 1, "id": known[0]["id"], "line": known[0]["target_text"]} in (
        found["benchmarks"]["listed"]
    )
    assert {one["id"] for one in found["examples"]["benchmark"]} == gone
    assert "benchmarks" not in summary(before)
    assert {row["id"] for row in held_out} <= {row["id"] for row in kept(bitext)}  # what is held out is no training


def test_a_broken_pair_stops_or_is_counted(corpus, tmp_path):
    given = source(tmp_path / "in", [*LINES, "no tab here"])
    with pytest.raises(UserError, match=r"0\.tsv: line 401: no tab"):
        ingest(tmp_path / "stopped", corpus, given)
    skip = CONFIG.bitext.reading.model_copy(update={"broken": "skip"})
    (found,) = summary(ingest(tmp_path / "out", corpus, given, reading=skip))["cards"]
    assert found["broken"]["documents"] == 1
    assert found["dropped"]["broken"] == 1
    assert found["pairs"] == 401 == found["kept"] + sum(found["dropped"].values())
