"""Ingest by shards: the same whatever the shards, the processes and what died; mixture and benchmarks."""

import gzip
import json
import os
import signal
import subprocess
import sys
import time
from xml.sax.saxutils import escape

import pyarrow.parquet as pq
import pytest
from ingest_case import (
    CORPUS,
    DATA,
    DUTCH,
    ROOT,
    SMALL,
    card,
    execution,
    publish_killed_once,
    run_corpus,
    text_card,
)

from pipeline.card_sources import FileSource
from pipeline.errors import UserError
from stages.ingest_corpus.settings import IngestCorpusSettings
from stages.ingest_corpus.stage import ingest_corpus
from stages.shared.duplicates import benchmark_files
from stages.shared.duplicates.settings import BenchmarkFile
from stages.shared.identity import id_sum
from stages.shared.mixture import place
from stages.shared.split import SPLITS

TEXTS = (DATA / "dutch.txt").read_text().split("\n\n")


def ingest(out, *cards, workers=1, **corpus):
    out.mkdir(parents=True, exist_ok=True)
    settings = CORPUS.model_copy(update={"split": SMALL, **corpus})
    given = IngestCorpusSettings(language=DUTCH, corpus=settings, cards=cards)
    ingest_corpus(given, {}, out, execution(out).model_copy(update={"workers": workers}))
    return out


def kept(corpus, splits=SPLITS):
    return [row for split in splits for row in pq.read_table(corpus / f"{split}.parquet").to_pylist()]


def many_files(folder):
    """A card of seven files, in some of which there is what was in others before."""
    folder.mkdir()
    for number in range(6):
        (folder / f"{number}.txt").write_text("\n\n".join(TEXTS[number * 13 : number * 13 + 16]) + "\n")
    (folder / "6.txt").write_text("\n\n".join(text.replace("de", "het", 1) for text in TEXTS[:20]) + "\n")
    return card(folder, "text", "text", files="*.txt", documents="blank_lines")


def small_shards():
    return {"reading": CORPUS.reading.model_copy(update={"shard_bytes": 9_000})}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    here = tmp_path_factory.mktemp("whole")
    return here / "in", ingest(here / "out", many_files(here / "in"))


def test_shards_and_processes_change_nothing(whole, tmp_path):
    source, expected = whole
    corpus = ingest(
        tmp_path / "out",
        card(source, "text", "text", files="*.txt", documents="blank_lines"),
        workers=2,
        **small_shards(),
    )
    assert len(list((corpus / "train.parquet").iterdir())) > 5 > len(list((expected / "train.parquet").iterdir()))
    assert kept(corpus) == kept(expected)
    one, other = (json.loads((folder / "corpus.json").read_text()) for folder in (corpus, expected))
    assert one["sources"][0]["dropped"]["duplicate"] > 10
    assert one["sources"][0]["dropped"]["near_duplicate"] > 5
    assert one["near_duplicates"]["largest"][0]["documents"] > 1
    assert one == other


@pytest.mark.timeout(900)  # three runs, each with processes of its own: slow where others use the machine
def test_a_killed_run_goes_on(whole, tmp_path):
    source, expected = whole
    program = """if True:
        import sys
        from pathlib import Path
        if __name__ == "__main__":  # what stands before it, each of the shards' processes imports too
            from test_ingest_shards import *
            given = card(Path(sys.argv[1]), "text", "text", files="*.txt", documents="blank_lines")
            ingest(Path(sys.argv[2]), given, workers=2, **small_shards())
    """
    (tmp_path / "program.py").write_text(program)
    folders = [ROOT, ROOT / "tests", ROOT / "tests" / "stages", ROOT / "tests" / "stages" / "ingest_corpus"]
    environment = os.environ | {"PYTHONPATH": ":".join(map(str, folders))}
    out, command = tmp_path / "out", [sys.executable, tmp_path / "program.py", source, tmp_path / "out"]
    for phase in ("curated", "split"):
        running = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
        while not list((out / "checkpoints").glob(f"{phase}/0000[0-9]")):
            assert running.poll() is None
            time.sleep(0.01)
        running.send_signal(signal.SIGKILL)
        running.wait()
    subprocess.run(command, env=environment, check=True, capture_output=True)
    assert kept(out) == kept(expected)


def test_a_run_killed_while_it_is_published_makes_no_shard_again(whole, tmp_path, monkeypatch):
    source, expected = whole
    given = card(source, "text", "text", files="*.txt", documents="blank_lines")
    folder = publish_killed_once(tmp_path, "corpus", lambda out: ingest(out, given, **small_shards()), monkeypatch)
    assert kept(folder) == kept(expected)


def test_weights_and_cap_choose_documents_by_their_ids(whole, tmp_path):
    source, expected = whole
    given = card(source, "text", "text", files="*.txt", documents="blank_lines")
    mixed = CORPUS.mixture.model_copy(update={"weights": {"text": 2.5}, "cap_bytes": 30_000})
    corpus = ingest(tmp_path / "out", given, mixture=mixed)
    train, everything = kept(corpus, ["train"]), kept(expected, ["train"])
    assert read_bytes(train) <= 30_000
    names = {row["id"] for row in train}
    places = {row["id"]: place(row["id"], mixed.seed, "cap") for row in everything}
    assert max(places[name] for name in names) < min(where for name, where in places.items() if name not in names)
    assert {row["repeats"] for row in train} == {2, 3}
    assert kept(corpus, ["validation", "test"]) == kept(expected, ["validation", "test"])
    dropped = json.loads((corpus / "corpus.json").read_text())["sources"][0]["dropped"]
    assert dropped["cap"] == len(everything) - len(train)
    with pytest.raises(UserError, match=r"corpus\.mixture\.weights: unknown card of the corpus 'texd'"):
        ingest(tmp_path / "typo", given, mixture=mixed.model_copy(update={"weights": {"texd": 1.0}}))


def read_bytes(rows):
    """Return the UTF-8 bytes of text that an epoch reads."""
    return sum(len(row["text"].encode()) * row["repeats"] for row in rows)


def test_a_cap_bounds_what_is_read_of_two_sources_and_leaves_them_their_weights(tmp_path):
    """Lines of a help text, each a document, go to the two in turn."""
    lines = [line for line in (DATA / "dutch.txt").read_text().split("\n") if len(line.split()) >= 5]
    cards = []
    for name, part in (("often", lines[::2]), ("once", lines[1::2])):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.txt").write_text("\n".join(part) + "\n")
        cards.append(card(tmp_path / name, name, "text", files="*.txt", documents="lines"))
    whole = read_bytes(kept(ingest(tmp_path / "whole", *cards), ["train"]))
    for weight in (0.5, 3.0):
        mixed = CORPUS.mixture.model_copy(update={"weights": {"often": weight}, "cap_bytes": whole // 2})
        train = kept(ingest(tmp_path / f"{weight}", *cards, mixture=mixed), ["train"])
        often, once = (read_bytes([row for row in train if row["card"] == name]) for name in ("often", "once"))
        assert 0.9 * whole / 2 < often + once <= whole / 2
        assert often / once == pytest.approx(weight, rel=0.25)


def test_lines_of_a_benchmark_go_and_are_listed(whole, tmp_path):
    source, expected = whole
    row = kept(expected, ["train"])[3]
    line = max(row["text"].split("\n"), key=len)
    (tmp_path / "quiz.txt").write_text(f"Iets heel anders dat nergens staat.\n{line.upper()}\nJa.\n")
    cleaning = CORPUS.decontamination.model_copy(
        update={"benchmarks": {"quiz": BenchmarkFile.model_validate({"path": tmp_path / "quiz.txt"})}}
    )
    given = card(source, "text", "text", files="*.txt", documents="blank_lines")
    corpus = ingest(tmp_path / "out", given, decontamination=cleaning)
    assert not [row for row in kept(corpus, ["train"]) if line in row["text"]]
    found = json.loads((corpus / "corpus.json").read_text())["benchmarks"]
    assert found["lines"]["quiz"] == len(found["listed"]) >= 1
    assert {"benchmark": "quiz", "entry": 2, "id": row["id"], "line": line} in found["listed"]


def test_hits_that_are_not_listed_are_counted(tmp_path, monkeypatch):
    monkeypatch.setattr(benchmark_files, "MOST_LISTED", 3)
    files = [tmp_path / name for name in "ab"]
    for path in files:
        path.write_text(json.dumps([{"benchmark": name} for name in ("quiz", "exam")]))
    found = benchmark_files.summary(benchmark_files.saved_hits(files))
    assert (found["lines"], len(found["listed"]), found["unlisted"]) == ({"exam": 2, "quiz": 2}, 3, 1)


def test_broken_input_is_skipped_and_counted_where_wanted(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "a.txt").write_text("\n\n".join(TEXTS) + "\n")
    whole = gzip.compress("\n\n".join(text.upper() for text in TEXTS[:40]).encode())
    (folder / "b.txt.gz").write_bytes(whole[: len(whole) // 2])
    given = card(folder, "text", "text", files="*.txt*", documents="blank_lines")
    for workers in (1, 2):
        with pytest.raises(UserError, match=r"b\.txt\.gz: after line \d+: the compressed data is cut off or damaged"):
            ingest(tmp_path / f"stopped-{workers}", given, workers=workers, **small_shards())
    corpus = ingest(tmp_path / "out", given, reading=CORPUS.reading.model_copy(update={"broken": "skip"}))
    (source,) = json.loads((corpus / "corpus.json").read_text())["sources"]
    assert source["broken"]["files"] == 1
    assert "b.txt.gz" in source["broken"]["examples"][0]
    assert source["input_documents"] > len(TEXTS)


def test_what_readers_leave_out_is_counted_over_all_shards(tmp_path):
    folder = tmp_path / "in"
    for number, text in enumerate(TEXTS[:60]):
        said = "".join(f"<s>{escape(line)}</s>" for line in ["Vertaling: Piet", *text.split("\n")])
        for version in range(1 + number % 2):
            (folder / str(number)).mkdir(parents=True, exist_ok=True)
            (folder / str(number) / f"{version}.xml").write_text(f"<document>{said}</document>")
    given = card(folder, "films", "opensubtitles", files="*/*.xml", versions="first")
    given = given.model_copy(update={"source": FileSource(kind="file", folder=folder, files=("*/*.xml",))})
    corpus = ingest(tmp_path / "out", given, **small_shards())
    assert len(list((corpus / "checkpoints" / "raw").iterdir())) > 2
    found = json.loads((corpus / "corpus.json").read_text())
    assert found["sources"][0]["input_documents"] == 60
    told = {kind: int(count) for kind, _, count in (note.rpartition(": ") for note in found["notes"])}
    assert told["data card films: left out: lines of adverts"] == 60
    assert told["data card films: left out: further subtitles of films that were read"] == 30
    assert len(told) == len(found["notes"]) <= 3


def test_a_broken_document_is_a_dropped_one(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    rows = [json.dumps({"text": text}) for text in TEXTS]
    (folder / "a.jsonl").write_text("\n".join([*rows, "{no JSON", *rows[:2]]) + "\n")
    given = card(folder, "rows", "jsonl", files="*.jsonl").model_copy(update={"columns": {"text": "text"}})
    corpus = ingest(tmp_path / "out", given, reading=CORPUS.reading.model_copy(update={"broken": "skip"}))
    found = json.loads((corpus / "corpus.json").read_text())
    (source,) = found["sources"]
    assert source["dropped"]["broken"] == 1
    assert source["input_documents"] == len(TEXTS) + 3 == source["kept"] + sum(source["dropped"].values())
    (row,) = [row for row in kept(corpus, ["dropped"]) if row["reason"] == "broken"]
    assert row["id"].startswith(f"rows:a.jsonl: line {len(TEXTS) + 1}: not JSON")
    names = [row["id"] for row in kept(corpus, [*SPLITS, "dropped"])]
    assert found["ids"]["hash_sum"] == f"{id_sum(names):016x}"


def test_pages_without_text_and_broken_ones_are_dropped_documents(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    for number, text in enumerate(TEXTS[:40]):
        (folder / f"{number:02d}.html").write_text("<main>" + "".join(f"<p>{line}" for line in text.split("\n")))
    (folder / "a.html").write_text("<main></main>")
    (folder / "b.html").write_bytes(b"<main>caf\xe9")
    given = card(folder, "pages", "html", files="*.html", group="file", body="//main", drop=None, title=None)
    skip = CORPUS.reading.model_copy(update={"broken": "skip"})
    corpus = ingest(tmp_path / "out", given, reading=skip)
    found = json.loads((corpus / "corpus.json").read_text())
    (source,) = found["sources"]
    assert source["input_documents"] == found["ids"]["input"] == 42
    assert (source["dropped"]["empty"], source["dropped"]["broken"], source["broken"]["files"]) == (1, 1, 0)
    nothing = tmp_path / "nothing"
    nothing.mkdir()
    for number in range(2):
        (nothing / f"{number}.html").write_text("<main></main>")
    other = given.model_copy(update={"name": "nothing", "source": card(nothing, "nothing", "html").source})
    with pytest.raises(UserError, match="data card nothing: no text in any of its files"):
        ingest(tmp_path / "second", given, other, reading=skip.model_copy(update={"shard_bytes": 10}))


def test_documents_of_one_source_are_looked_for_in_the_others(tmp_path):
    other = card(DATA, "again", "text", files="dutch.txt", documents="blank_lines")
    corpus = run_corpus(tmp_path / "out", text_card(), other)
    first, second = json.loads((corpus / "corpus.json").read_text())["sources"]
    assert second["kept"] == 0
    assert second["dropped"]["duplicate"] >= first["kept"]
