"""What is broken is named and stops the run, or is skipped and counted: in every reader of lines and tables."""

import bz2
import gzip
import json
import lzma
import pickle
import re
import subprocess
import sys
import zipfile

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from pipeline.errors import UserError
from pipeline.provenance import ROOT
from stages.shared.readers.broken import Skipped, broken, handler, stop
from stages.shared.sources.unpack import unpack

PACK = {".gz": gzip.compress, ".zst": zstandard.compress, ".bz2": bz2.compress, ".xz": lzma.compress}
READERS = {
    "text": ({"documents": "lines"}, "monolingual", {}),
    "jsonl": ({}, "monolingual", {"text": "text"}),
    "tsv": ({"group_lines": 1}, "parallel", {}),
}


def line(kind, text):
    """Return a line of the reader's form around bytes that may be no text."""
    before, after = {"text": (b"", b""), "jsonl": (b'{"text": "', b'"}'), "tsv": (b"one\t", b"")}[kind]
    return before + text + after + b"\n"


@pytest.mark.parametrize("kind", READERS)
@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"caf\xe9", r"a\.x: line 2, byte \d+: invalid UTF-8 \(0xe9\)"),
        (b"a\0b", r"a\.x: line 2, character \d+: NUL"),
        (b"x" * 200_000, r"a\.x: line 2: longer than 100,000 bytes"),
    ],
)
def test_a_broken_line_is_named_and_skipped_alone(tmp_path, read, lines, kind, text, message):
    options, role, columns = READERS[kind]
    (tmp_path / "a.x").write_bytes(line(kind, b"een") + line(kind, text) + line(kind, b"drie"))
    settings = {"role": role, "columns": columns, "files": "*.x", **options}
    with pytest.raises(UserError, match=message):
        read(tmp_path, kind, **settings)
    skipped = Skipped()
    assert lines(read(tmp_path, kind, skipped, **settings)) == [["een"], ["drie"]]
    assert (skipped.documents, skipped.files, len(skipped.examples)) == (1, 0, 1)


@pytest.mark.parametrize("kind", READERS)
@pytest.mark.parametrize("ending", PACK)
def test_a_compressed_file_that_is_cut_off_keeps_what_came_before(tmp_path, read, kind, ending):
    options, role, columns = READERS[kind]
    content = b"".join(line(kind, f"regel {n * 7919 % 10_000}".encode()) for n in range(20_000))
    (tmp_path / f"a{ending}").write_bytes(PACK[ending](content)[:-300])
    (tmp_path / f"b{ending}").write_bytes(PACK[ending](content))
    settings = {"role": role, "columns": columns, "files": f"*{ending}", **options}
    with pytest.raises(UserError, match=r"a\.\w+: after line \d+: the compressed data is cut off or damaged"):
        read(tmp_path, kind, **settings)
    skipped = Skipped()
    assert 20_000 <= len(read(tmp_path, kind, skipped, **settings)) < 40_000
    assert (skipped.documents, skipped.files) == (0, 1)


@pytest.mark.parametrize("kind", READERS)
def test_an_empty_shard_is_named_and_counted(tmp_path, read, kind):
    options, role, columns = READERS[kind]
    (tmp_path / "a.x").touch()
    (tmp_path / "b.x").write_bytes(line(kind, b"een"))
    settings = {"role": role, "columns": columns, "files": "*.x", **options}
    with pytest.raises(UserError, match=r"a\.x: file: no text in its 0 bytes"):
        read(tmp_path, kind, **settings)
    skipped = Skipped()
    assert len(read(tmp_path, kind, skipped, **settings)) == 1
    assert (skipped.documents, skipped.files) == (0, 1)


def test_a_broken_line_breaks_the_document_around_it(tmp_path, read, lines):
    (tmp_path / "a.txt").write_bytes(b"een\n\ntwee\ncaf\xe9\ndrie\n\nvier\n")
    skipped = Skipped()
    found = read(tmp_path, "text", skipped, files="*.txt", documents="blank_lines")
    assert lines(found) == [["een"], ["vier"]]
    assert skipped.documents == 1


def test_sides_stay_together_where_a_line_of_one_is_broken(tmp_path, read):
    (tmp_path / "x.en").write_bytes(b"one\nt\xe9wo\nthree\n")
    (tmp_path / "x.nl").write_bytes(b"een\ntwee\ndrie\n")
    skipped = Skipped()
    options = {"role": "parallel", "source": "*.en", "target": "*.nl", "group_lines": 1}
    pairs = [tuple(document.segments[0]) for document in read(tmp_path, "moses", skipped, **options)]
    assert pairs == [("one", "een"), ("three", "drie")]
    assert skipped.documents == 1


@pytest.mark.parametrize("side", ["en", "nl", "ids"])
def test_of_sides_that_differ_in_length_nothing_is_read(tmp_path, read, side):
    for name in ("en", "nl", "ids"):
        text = [f"{name}/{n}.xml\tnl/1.xml" if name == "ids" else f"{name} {n}" for n in range(200)]
        (tmp_path / f"x.{name}").write_text("\n".join(["A line too many.", *text] if name == side else text) + "\n")
    skipped = Skipped()
    options = {"role": "parallel", "source": "*.en", "target": "*.nl", "group_lines": 10, "ids": "*.ids"}
    with pytest.raises(UserError, match="no pair of 'en' and 'nl'"):  # else there would be some
        read(tmp_path, "moses", skipped, **options)
    assert (skipped.documents, skipped.files) == (0, 1)
    for name in ("en", "nl", "ids"):
        assert re.search(rf"x\.{name}( has)? {201 if name == side else 200}\b", skipped.examples[0])


def test_of_a_side_that_is_cut_off_nothing_is_read(tmp_path, read):
    for name in ("en", "nl"):
        content = gzip.compress("".join(f"{name} {n * 7919 % 10_000}\n" for n in range(20_000)).encode())
        (tmp_path / f"x.{name}.gz").write_bytes(content[:-300] if name == "nl" else content)
    skipped = Skipped()
    with pytest.raises(UserError, match="no pair of 'en' and 'nl'"):
        read(tmp_path, "moses", skipped, role="parallel", source="*.en.gz", target="*.nl.gz", group_lines=10)
    assert (skipped.documents, skipped.files) == (0, 1)
    assert re.search(r"x\.nl\.gz: after line \d+: the compressed data is cut off", skipped.examples[0])


def test_shards_of_parquet(tmp_path, read, lines):
    columns = {"text": "text", "url": "url"}
    pq.write_table(
        pa.table({"text": ["een", "a\0b", "x" * 200_000], "url": ["u1", "u2", "u3"]}), tmp_path / "a.parquet"
    )
    pq.write_table(pa.table({"tekst": ["twee"], "url": ["u"]}), tmp_path / "b.parquet")
    whole = (tmp_path / "a.parquet").read_bytes()
    (tmp_path / "c.parquet").write_bytes(whole[: len(whole) // 2])
    pq.write_table(
        pa.table({"text": pa.array([], pa.string()), "url": pa.array([], pa.string())}), tmp_path / "d.parquet"
    )
    (tmp_path / "e.parquet").touch()
    skipped = Skipped()
    documents = read(tmp_path, "parquet", skipped, columns=columns, files="*.parquet")
    assert lines(documents) == [["een"]]
    assert documents[0].url == "u1"
    assert (skipped.documents, skipped.files) == (2, 4)
    for said in ("NUL", "more than 100,000", "no column 'text'", "c.parquet", "d.parquet", "e.parquet"):
        assert any(said in example for example in skipped.examples), said


def test_a_row_of_parquet_that_is_not_utf_8_is_named_and_skipped_alone(tmp_path, read, lines):
    texts = pa.array([b"een", b"caf\xe9", b"drie"]).view(pa.string())  # pyarrow does not look at what it is given
    pq.write_table(pa.table({"text": texts}), tmp_path / "a.parquet")
    settings = {"columns": {"text": "text"}, "files": "*.parquet"}
    with pytest.raises(UserError, match=r"a\.parquet: row 2, byte 4: invalid UTF-8 \(0xe9\)"):
        read(tmp_path, "parquet", **settings)
    skipped = Skipped()
    found = read(tmp_path, "parquet", skipped, **settings)
    assert lines(found) == [["een"], ["drie"]]
    assert found[1].id == "card:a.parquet#3"
    assert (skipped.documents, skipped.files) == (1, 0)


def test_half_a_character_in_json(tmp_path, read, lines):
    rows = ['{"text": "a\\ud800"}', json.dumps({"text": "een"})]
    (tmp_path / "a.jsonl").write_text("\n".join(rows) + "\n")
    skipped = Skipped()
    assert lines(read(tmp_path, "jsonl", skipped, columns={"text": "text"}, files="*.jsonl")) == [["een"]]
    assert "half of a surrogate pair" in skipped.examples[0]


def test_a_long_line_is_never_held_whole(tmp_path):
    """In a process of its own, by whose size also what the libraries allocate is seen."""
    program = """if True:
        import resource, sys
        from pathlib import Path
        from stages.shared.readers.text_file import byte_lines
        for name in sys.argv[1:]:
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            assert list(byte_lines(Path(name), 100_000)) == [b"een\\n", None, b"twee\\n"]
            grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
            assert grown < 15_000_000, (name, grown)
    """
    files = [tmp_path / f"a{ending}" for ending in PACK]
    for path in files:
        begin, long, end = map(PACK[path.suffix], (b"een\n", b"x" * 40_000_000, b"\ntwee\n"))
        path.write_bytes(begin + long + end)
    subprocess.run([sys.executable, "-c", program, *files], cwd=ROOT, check=True)


def test_a_card_of_which_nothing_is_left_is_refused_all_the_same(tmp_path, read):
    (tmp_path / "a.txt").write_bytes(b"\xe9\n")
    with pytest.raises(UserError, match="no text in"):
        read(tmp_path, "text", Skipped(), files="*.txt", documents="lines")


def test_a_zip_that_leads_outwards_is_never_skipped(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as pack:
        pack.writestr("../evil.txt", "x")
    with pytest.raises(UserError, match=r"unsafe name '\.\./evil\.txt'"):
        unpack(tmp_path / "a.zip", tmp_path / "out")


def test_the_setting_chooses_the_handler():
    skipped = Skipped()
    assert handler("skip", skipped) is skipped
    assert handler("stop", skipped) is stop


def test_a_fault_of_another_process_is_the_same_fault():
    fault = broken("a.txt", "line 2", "no text", "document")
    again = pickle.loads(pickle.dumps(fault))
    assert (type(again), str(again), again.lost) == (type(fault), str(fault), "document")
