"""What a benchmark's file holds: lines, a column of a table, strings of JSON."""

import json
from pathlib import Path

import pytest

from pipeline.errors import UserError
from pipeline.section import IDENTITY
from stages.shared.duplicates.benchmark_files import benchmark_entries, benchmark_index
from stages.shared.duplicates.settings import BenchmarkFile, DecontaminationSettings

DATA = Path(__file__).parents[3] / "data"


def file(path, **form):
    return BenchmarkFile.model_validate({"path": path, **form})


def test_the_target_side_of_a_table_is_a_column():
    table = DATA / "en-nl.tsv"
    targets = list(benchmark_entries(file(table, column=2)))
    assert targets == [line.split("\t")[1] for line in table.read_text().splitlines()]
    assert list(benchmark_entries(file(table)))[7] == table.read_text().splitlines()[7]
    with pytest.raises(UserError, match=r"en-nl\.tsv, line 1: 2 columns between tabs, and column 3 is"):
        list(benchmark_entries(file(table, column=3)))


def test_questions_and_answers_of_json_lines():
    path = DATA / "questions" / "en-nl.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    found = list(benchmark_entries(file(path, keys=("question", "answers"))))
    assert found == [text for row in rows for text in (row["question"], *row["answers"])]
    assert not {row["context"] for row in rows} & {*found}


def test_one_document_of_many_lines(tmp_path):
    answers = [{"text": "op dinsdag", "answer_start": 3}]
    asked = {
        "paragraphs": [{"context": "Het is op dinsdag.", "qas": [{"question": "Wanneer is het?", "answers": answers}]}]
    }
    (tmp_path / "squad.json").write_text(json.dumps({"version": "1.1", "data": [asked]}, indent=2) + "\n")
    found = list(benchmark_entries(file(tmp_path / "squad.json", keys=("context", "question", "text"))))
    assert found == ["Het is op dinsdag.", "Wanneer is het?", "op dinsdag"]


def test_broken_json_names_the_line(tmp_path):
    (tmp_path / "asked.jsonl").write_text('{"question": "een"}\n{"question": \n')
    with pytest.raises(UserError, match=r"asked\.jsonl, line 3: not JSON"):
        list(benchmark_entries(file(tmp_path / "asked.jsonl", keys=("question",))))


def test_an_index_of_several_forms():
    files = {
        "table": file(DATA / "en-nl.tsv", column=2),
        "asked": file(DATA / "questions/en-nl.jsonl", keys=("question",)),
    }
    index = benchmark_index(DecontaminationSettings(benchmarks=files, least_words=3))
    source, target = max((DATA / "en-nl.tsv").read_text().splitlines(), key=len).split("\t")
    question = json.loads((DATA / "questions/en-nl.jsonl").read_text().splitlines()[1])["question"]
    hits = index.hits([source, target, question])
    assert {(hit.line, hit.benchmark) for hit in hits} == {(1, "table"), (2, "asked")}
    assert target in [list(benchmark_entries(files[hit.benchmark]))[hit.entry] for hit in hits]


def test_a_form_is_hashed_where_it_is_not_lines(tmp_path):
    (tmp_path / "a.txt").write_text("een\ttwee\n")
    plain, column = file(tmp_path / "a.txt"), file(tmp_path / "a.txt", column=2)
    assert set(plain.model_dump(mode="json", context=IDENTITY)) == {"path", "sha256"}
    assert column.model_dump(mode="json", context=IDENTITY)["column"] == 2
    assert BenchmarkFile.model_validate(plain.model_dump(mode="json")) == plain
    with pytest.raises(ValueError, match="give one of both"):
        file(tmp_path / "a.txt", column=2, keys=("question",))
