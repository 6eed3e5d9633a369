"""ingest_corpus on real lines: counts, split, overlap, determinism, faults."""

import hashlib
import json
import os
import re
import subprocess
import sys
import zipfile

import pyarrow.parquet as pq
import pytest
from ingest_case import DATA, ROOT, SMALL, TATAR, card, pair_card, run_corpus, text_card

from pipeline.errors import UserError
from stages.shared.identity import id_sum
from stages.shared.split import SPLITS, split_of


def rows(corpus, split):
    return pq.read_table(corpus / f"{split}.parquet").to_pylist()


def hashes(folder):
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def documents(folder, *texts):
    folder.mkdir(exist_ok=True)
    (folder / "dutch.txt").write_text("\n\n".join(texts) + "\n")
    return text_card(folder)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return run_corpus(tmp_path_factory.mktemp("corpus") / "out", text_card())


def test_artifact(corpus):
    tables = [f"{name}.parquet/00000.parquet" for name in ("test", "train", "validation")]
    assert sorted(hashes(corpus)) == ["corpus.json", *tables]
    summary = json.loads((corpus / "corpus.json").read_text())
    for split in SPLITS:
        table = pq.read_table(corpus / f"{split}.parquet")
        assert table.column_names == ["id", "group", "card", "text", "licence", "url", "scores", "repeats"]
        texts = table["text"].to_pylist()
        assert summary["splits"][split] == {
            "documents": len(texts),
            "words": sum(len(text.split()) for text in texts),
            "bytes": sum(len(text.encode()) for text in texts),
        }
    (counts,) = summary["sources"]
    assert (counts["name"], counts["licence"]) == ("text", "mpl-2.0")
    assert counts["input_documents"] == 78
    assert counts["input_documents"] == counts["kept"] + sum(counts["dropped"].values())


def test_split_is_by_group(corpus):
    for split in SPLITS:
        assert rows(corpus, split)
        assert {split_of(row["group"], SMALL) for row in rows(corpus, split)} == {split}


def test_no_held_out_line_is_in_training(corpus):
    def comparable(line):
        return re.sub(r"[\W\d_]+", " ", line.casefold()).strip()

    lines = {
        split: {comparable(line) for row in rows(corpus, split) for line in row["text"].split("\n")} for split in SPLITS
    }
    assert not lines["train"] & (lines["test"] | lines["validation"])
    assert json.loads((corpus / "corpus.json").read_text())["overlap"] == 0


def test_same_bytes_in_another_folder_and_process(corpus, tmp_path):
    program = "import sys; from pathlib import Path; from ingest_case import *; "
    program += "run_corpus(Path(sys.argv[1]), text_card())"
    environment = os.environ | {
        "PYTHONHASHSEED": "12345",
        "PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}:{ROOT / 'tests' / 'stages'}",
    }
    other = tmp_path / "another name" / corpus.name
    subprocess.run([sys.executable, "-c", program, str(other)], check=True, env=environment, capture_output=True)
    assert hashes(other) == hashes(corpus)


def test_parallel_card_gives_its_target_side(tmp_path):
    corpus = run_corpus(tmp_path / "out", pair_card(files="en-tt.tsv"), language=TATAR)
    tatar = {line.split("\t")[1] for line in (DATA / "en-tt.tsv").read_text().splitlines()}
    found = {row["text"] for row in rows(corpus, "train")}
    assert len(found) > 150
    assert len(found & tatar) > 0.95 * len(found)


def test_reasons(tmp_path):
    filler = (DATA / "dutch.txt").read_text().split("\n\n")
    english = (
        "This document was not translated at all by anybody in the world.\n"
        "It is here to be found by language identification, as it should."
    )
    tatar = "Ничек файлларны уйнатырга икәнен белмибез"
    card_ = documents(tmp_path / "in", *filler, filler[0], english, tatar, "Kort", "12\n---")
    corpus = run_corpus(tmp_path / "out", card_)
    summary = json.loads((corpus / "corpus.json").read_text())
    dropped = summary["sources"][0]["dropped"]
    assert dropped["duplicate"] == 1
    assert dropped["short"] == 1
    assert dropped["script"] == 2
    assert dropped["language"] == 1
    gone = rows(corpus, "dropped")
    assert {row["reason"]: row["excerpt"] for row in gone}["language"] == english
    names = [row["id"] for row in gone] + [row["id"] for split in SPLITS for row in rows(corpus, split)]
    assert len(set(names)) == len(names) == summary["ids"]["input"] == len(filler) + 5
    assert summary["ids"]["hash_sum"] == f"{id_sum(names):016x}"
    assert summary["rules"]["language"]["lines_dropped"] >= 2


def test_what_is_shown_of_the_dropped_has_no_personal_data(tmp_path):
    filler = (DATA / "dutch.txt").read_text().split("\n\n")
    private = "jan.jansen@example.org or 020-5521111"
    english = f"Write to {private}, {'if you want to be told what this is about, ' * 8}or call +31 20 552 11 11 again."
    foreign = f"{filler[0]}\nСорауларыгыз булса, безгә языгыз: jan.jansen@example.org яки 020-5521111."
    corpus = run_corpus(tmp_path / "out", documents(tmp_path / "in", *filler[1:], english, foreign))
    (excerpt,) = (row["excerpt"] for row in rows(corpus, "dropped") if row["reason"] == "language")
    assert (
        excerpt == english.replace(private, "[e-mail] or [telephone]").replace("+31 20 552 11 11", "[telephone]")[:400]
    )
    lines = json.loads((corpus / "corpus.json").read_text())["line_examples"]["script"]
    assert lines == ["Сорауларыгыз булса, безгә языгыз: [e-mail] яки [telephone]."]


def test_lines_repeated_too_often_are_boilerplate(tmp_path):
    filler = (DATA / "dutch.txt").read_text().split("\n\n")
    notice = "Deze pagina is door vrijwilligers vertaald."
    source = documents(tmp_path / "in", *(f"{text}\n{notice}" for text in filler))
    corpus = run_corpus(tmp_path / "out", source)
    found = sum(row["text"].split("\n").count(notice) for split in SPLITS for row in rows(corpus, split))
    assert found <= 5
    lines = json.loads((corpus / "corpus.json").read_text())["sources"][0]["lines_dropped"]
    dropped = json.loads((corpus / "corpus.json").read_text())["sources"][0]["dropped"]
    assert lines["boilerplate"] == len(filler) - 5 - sum(dropped.get(name, 0) for name in ("duplicate", "language"))


def test_empty_corpus(tmp_path):
    source = documents(tmp_path / "in", "Ничек файлларны уйнатырга")
    with pytest.raises(UserError, match=r"the corpus is empty: no document of text stayed.*script Latn"):
        run_corpus(tmp_path / "out", source)
    with pytest.raises(UserError, match="the corpus has no data cards"):
        run_corpus(tmp_path / "none")


def test_split_without_documents(tmp_path):
    source = documents(tmp_path / "in", "Dit is het enige document van deze verzameling.")
    with pytest.raises(UserError, match=r"the \w+ split has no documents \(1 in all, from text\).*corpus\.split\.seed"):
        run_corpus(tmp_path / "out", source)


def test_card_that_holds_no_text(tmp_path):
    benchmark = card(DATA, "quiz", "text", "benchmark", files="dutch.txt", documents="lines")
    with pytest.raises(UserError, match="data card quiz has the role 'benchmark'"):
        run_corpus(tmp_path / "out", benchmark)


def test_a_card_without_text_beside_one_with_text_is_refused(tmp_path):
    nothing = card(tmp_path, "nothing", "text", files="*.txt", documents="lines")
    (tmp_path / "empty.txt").touch()
    with pytest.raises(UserError, match=r"empty\.txt: file: no text in its 0 bytes"):
        run_corpus(tmp_path / "out", text_card(), nothing)


def test_what_a_reader_leaves_out_is_in_the_notes(tmp_path):
    lines = [line for line in (DATA / "dutch.txt").read_text().splitlines() if line]
    for name, junk in (("en.xpi", ""), ("nl.xpi", "no entry\n")):
        with zipfile.ZipFile(tmp_path / name, "w") as pack:
            for number in range(0, 600, 20):
                messages = "".join(f"m{n} = {lines[n]}\n" for n in range(number, number + 20) if "{" not in lines[n])
                pack.writestr(f"area{number}/a.ftl", messages + (junk if number == 20 else ""))
    options = {"source": "en.xpi", "target": "nl.xpi", "source_locale": "en", "target_locale": "nl"}
    corpus = run_corpus(tmp_path / "out", card(tmp_path, "pack", "mozilla", "parallel", **options))
    (note,) = json.loads((corpus / "corpus.json").read_text())["notes"]
    assert note.startswith("data card pack: nl.xpi: area20/a.ftl: entries left out as they are not valid Fluent: 1 (")


def test_invalid_utf8_is_named(tmp_path):
    source = documents(tmp_path / "in", "Een regel")
    (tmp_path / "in" / "dutch.txt").write_bytes(b"Een regel\nCaf\xe9\n")
    with pytest.raises(UserError, match=r"dutch\.txt: line 2, byte 4: invalid UTF-8"):
        run_corpus(tmp_path / "out", source)
