"""Which text is watched: whole documents of the validation split, the source's joined from its pairs."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.errors import UserError
from pipeline.stage import Execution
from stages.sample_held_out.settings import SampleHeldOutSettings
from stages.sample_held_out.stage import sample_held_out
from stages.shared.held_out_text import read_texts

PAIRS = [  # id, group, source, target
    ("1", "page b", "Open a file", "Open een bestand"),
    ("2", "page a", "Save it", "Sla het op"),
    ("3", "page b", "Open a file", "Een bestand openen"),
    ("4", "page b", "Close\u2028it", "Sluit het"),
]
EXECUTION = Execution.model_construct()


def sample(folder, kind, rows, columns, **wanted):
    (folder / kind).mkdir()
    (folder / "out").mkdir()
    table = pa.table({name: pa.array([row[place] for row in rows], pa.string()) for place, name in enumerate(columns)})
    pq.write_table(table, folder / kind / "validation.parquet")
    text = {"bytes": 1000, "document_bytes": 1000, "seed": 1} | wanted
    settings = SampleHeldOutSettings(text=text, other_domain=None)
    assert settings.identity() == {"text": text}
    metrics = sample_held_out(settings, {kind: folder / kind}, folder / "out", EXECUTION)
    return metrics, read_texts(folder / "out")


def test_the_source_is_running_text_by_page_each_line_once(tmp_path):
    columns = ("id", "group", "source_text", "target_text")
    metrics, texts = sample(tmp_path, "bitext", PAIRS, columns)
    assert sorted(texts) == ["Open a file\nClose\u2028it", "Save it"]
    assert metrics == {"documents": 2, "bytes": sum(len(text.encode()) for text in texts)}


def test_documents_are_taken_until_there_is_enough(tmp_path):
    rows = [(str(number), f"document {number}\nand a second line", "page") for number in range(20)]
    metrics, texts = sample(tmp_path, "corpus", rows, ("id", "text", "group"), bytes=30, document_bytes=12)
    assert metrics["documents"] == 3  # 10 or 11 bytes each: a longer document counts with its first line
    assert all(text.startswith("document ") and "\n" not in text for text in texts)


def test_a_split_without_text_gives_an_empty_sample(tmp_path):
    metrics, texts = sample(tmp_path, "corpus", [], ("id", "text", "group"))
    assert (metrics, texts) == ({"documents": 0, "bytes": 0}, [])


def other_domain(folder, text, lines, wanted=1000):
    (folder / "lines.txt").write_text(text, encoding="utf-8")
    other = {"path": str(folder / "lines.txt"), "sha256": None, "lines": lines, "first_line": 1, "passage_lines": 1}
    settings = SampleHeldOutSettings(text={"bytes": wanted, "document_bytes": 100, "seed": 1}, other_domain=other)
    assert settings.identity()["other_domain"]["path"] is None  # a place is no part of the recipe
    return sample_held_out(settings, {}, folder, EXECUTION), read_texts(folder)


def test_of_another_domain_every_other_line_is_taken_until_there_is_enough(tmp_path):
    text = "".join(f"line {number}\n" for number in range(1, 10))
    metrics, texts = other_domain(tmp_path, text, "even", wanted=15)
    assert texts == ["line 2", "line 4", "line 6"]
    assert metrics == {"documents": 3, "bytes": 18}


def test_empty_lines_count_where_every_other_one_is_taken(tmp_path):
    text = "one\n\nthree\nfour\n \nsix\n"
    assert other_domain(tmp_path, text, "odd")[1] == ["one", "three"]
    assert other_domain(tmp_path, text, "even")[1] == ["four", "six"]
    assert other_domain(tmp_path, text, "all")[1] == ["one", "three", "four", "six"]
    with pytest.raises(UserError, match=r"lines\.txt holds no text on its even lines"):
        other_domain(tmp_path, "one\n\n", "even")
