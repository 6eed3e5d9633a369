"""Texts and tables, and what broken files of any format are told."""

import gzip
import json
import shutil
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from reader_case import HEADER, SAMPLES, language_pack, read, segments

from pipeline.errors import UserError


def test_plain_text_documents(tmp_path):
    (tmp_path / "a.txt").write_text("een\ntwee\n\n\ndrie\n")
    blank = read(tmp_path, "text", role="monolingual", files="*.txt", documents="blank_lines")
    assert [[segment.target for segment in d.segments] for d in blank] == [["een", "twee"], ["drie"]]
    lines = read(tmp_path, "text", role="monolingual", files="*.txt", documents="lines")
    assert [d.id for d in lines] == ["card:a.txt#1", "card:a.txt#2", "card:a.txt#5"]


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz", "a.jsonl.zst"])
def test_jsonl_plain_and_compressed(tmp_path, name):
    rows = b"".join(json.dumps({"text": f"regel {n}\nnog een", "url": f"u{n}"}).encode() + b"\n" for n in range(3))
    pack = {"a.jsonl": bytes, "a.jsonl.gz": gzip.compress, "a.jsonl.zst": zstandard.compress}[name]
    (tmp_path / name).write_bytes(pack(rows))
    columns = {"text": "text", "group": "url"}
    documents = read(tmp_path, "jsonl", role="monolingual", columns=columns, files="a.*")
    assert [d.group for d in documents] == ["card:u0", "card:u1", "card:u2"]
    assert [s.target for s in documents[0].segments] == ["regel 0", "nog een"]


def test_parquet_with_column_paths(tmp_path):
    rows = [{"translation": {"en": "a house", "nl": "een huis"}}]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet")
    columns = {"en": "translation.en", "nl": "translation.nl"}
    assert segments(read(tmp_path, "parquet", columns=columns, files="*.parquet")) == [("a house", "een huis")]


def test_moses_and_tsv_pairs(tmp_path):
    (tmp_path / "x.en").write_text("one\ntwo\nthree\n")
    (tmp_path / "x.nl").write_text("een\ntwee\ndrie\n")
    (tmp_path / "x.tsv").write_text("one\teen\ntwo\ttwee\tignored\n\nthree\tdrie\n")
    moses = read(tmp_path, "moses", source="*.en", target="*.nl", group_lines=2)
    tsv = read(tmp_path, "tsv", files="*.tsv", group_lines=1)
    assert segments(moses) == segments(tsv) == [("one", "een"), ("two", "twee"), ("three", "drie")]
    assert [d.group for d in moses] == ["card:x.nl#1", "card:x.nl#3"]


def test_sides_of_different_length(tmp_path):
    (tmp_path / "x.en").write_text("one\ntwo\n")
    (tmp_path / "x.nl").write_text("een\n")
    with pytest.raises(UserError, match=r"(?s)x\.en has 2 lines and .*x\.nl 1.*fetch both again"):
        read(tmp_path, "moses", source="*.en", target="*.nl", group_lines=1)


def test_invalid_utf8_names_file_line_and_remedy(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"goed\ncaf\xe9\n")
    with pytest.raises(UserError, match=r"a\.txt: line 2, byte 4: invalid UTF-8 \(0xe9\).*iconv"):
        read(tmp_path, "text", role="monolingual", files="*.txt", documents="lines")


@pytest.mark.parametrize("name", ["a.txt.gz", "a.txt.zst"])
@pytest.mark.parametrize("left", [0.5, 0.99])
def test_truncated_compressed_file(tmp_path, name, left):
    text = "".join(f"regel {n * 7919 % 1000}\n" for n in range(30_000)).encode()
    data = gzip.compress(text) if name.endswith("gz") else zstandard.compress(text)
    (tmp_path / name).write_bytes(data[: int(len(data) * left)])
    with pytest.raises(UserError, match=rf"{name}: after line \d+: .*cut off.*Fetch the file again"):
        read(tmp_path, "text", role="monolingual", files="a.*", documents="lines")


def test_zip_that_points_outside(tmp_path):
    for name in ("en.xpi", "nl.xpi"):
        with zipfile.ZipFile(tmp_path / name, "w") as pack:
            pack.writestr("../evil.ftl", "a = b\n")
    with pytest.raises(UserError, match=r"en\.xpi: entry '\.\./evil\.ftl' points outside"):
        read(tmp_path, "mozilla", source="en.xpi", target="nl.xpi", source_locale="en", target_locale="nl")


def test_truncated_zip(tmp_path):
    pack = language_pack(tmp_path / "en.xpi", "en-GB")
    pack.write_bytes(pack.read_bytes()[:-50])
    shutil.copy(pack, tmp_path / "nl.xpi")
    with pytest.raises(UserError, match=r"en\.xpi: archive: not a whole zip.*Fetch the file again"):
        read(tmp_path, "mozilla", source="en.xpi", target="nl.xpi", source_locale="en", target_locale="nl")


def test_truncated_catalogue_and_table(tmp_path):
    (tmp_path / "a.mo").write_bytes((SAMPLES / "tatar.mo").read_bytes()[:600])
    with pytest.raises(UserError, match=r"a\.mo: .*Fetch the file again"):
        read(tmp_path, "gettext", files="*.mo", accelerators="")
    pq.write_table(pa.table({"text": ["een"] * 100}), tmp_path / "b.parquet")
    whole = (tmp_path / "b.parquet").read_bytes()
    (tmp_path / "b.parquet").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match=r"b\.parquet: after row 0: not a whole Parquet file"):
        read(tmp_path, "parquet", role="monolingual", columns={"text": "text"}, files="*.parquet")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"text": "een"\n', r"a\.jsonl: line 1: not JSON"),
        (b'{"tekst": "een"}\n', r"row 1: no column 'text' \(there is: tekst\); correct the data card"),
        (b'{"text": ["een"]}\n', r"column 'text' holds list, not text"),
        (b"[1, 2]\n", r"no column 'text' \(there is: list\)"),
        (b'{"text": true}\n', r"row 1: column 'text' holds bool, not text"),
        (b'{"text": 12}\n', r"row 1: column 'text' holds int, not text"),
        (b"[" * 100_000, r"a\.jsonl: line 1: JSON that cannot be read .*recursion.*Fetch the file again"),
        (b'{"text": ' + b"1" * 5000 + b"}", r"a\.jsonl: line 1: JSON that cannot be read .*4300 digits"),
    ],
)
def test_faulty_rows(tmp_path, content, message):
    (tmp_path / "a.jsonl").write_bytes(content)
    with pytest.raises(UserError, match=message):
        read(tmp_path, "jsonl", role="monolingual", columns={"text": "text"}, files="*.jsonl")


def test_bytes_of_a_table_are_text_where_they_are_utf8(tmp_path):
    pq.write_table(pa.table({"text": [b"caf\xc3\xa9"]}), tmp_path / "a.parquet")
    found = read(tmp_path, "parquet", role="monolingual", columns={"text": "text"}, files="*.parquet")
    assert segments(found) == [("", "café")]
    pq.write_table(pa.table({"text": [b"caf\xe9"]}), tmp_path / "a.parquet")
    with pytest.raises(UserError, match=r"a\.parquet: row 1: column 'text', byte 4: invalid UTF-8 \(0xe9\)"):
        read(tmp_path, "parquet", role="monolingual", columns={"text": "text"}, files="*.parquet")


def test_a_group_may_be_a_whole_number_and_nothing_else_but_text(tmp_path):
    columns = {"text": "text", "group": "id"}
    (tmp_path / "a.jsonl").write_text('{"text": "een", "id": 7}\n{"text": "twee", "id": "zeven"}\n')
    found = read(tmp_path, "jsonl", role="monolingual", columns=columns, files="*.jsonl")
    assert [document.group for document in found] == ["card:7", "card:zeven"]
    (tmp_path / "a.jsonl").write_text('{"text": "een", "id": false}\n')
    with pytest.raises(UserError, match=r"row 1: column 'id' holds bool, not text"):
        read(tmp_path, "jsonl", role="monolingual", columns=columns, files="*.jsonl")


def test_a_missing_parquet_column_is_told_with_those_that_are_there(tmp_path):
    pq.write_table(pa.table({"tekst": ["een"], "adres": ["u"]}), tmp_path / "a.parquet")
    with pytest.raises(UserError, match=r"card: a\.parquet: no column 'text' \(there is: adres, tekst\); correct"):
        read(tmp_path, "parquet", role="monolingual", columns={"text": "text"}, files="*.parquet")


def zipped(path: Path, **files: str) -> None:
    with zipfile.ZipFile(path, "w") as pack:
        for name, text in files.items():
            pack.writestr(f"{name}.ftl", text)


def test_junk_among_fluent_messages_is_left_out_and_told(tmp_path):
    zipped(tmp_path / "en.xpi", a="first = One\nsecond = Two\nthird = Three\n")
    zipped(tmp_path / "nl.xpi", a="first = Een\nsecond Twee\nthird = Drie\n")
    notes: list[str] = []
    options = {"source": "en.xpi", "target": "nl.xpi", "source_locale": "en", "target_locale": "nl"}
    found = read(tmp_path, "mozilla", notes=notes, **options)
    assert segments(found) == [("One", "Een"), ("Three", "Drie")]
    (note,) = notes
    assert note.startswith(
        "data card card: nl.xpi: a.ftl: entries left out as they are not valid Fluent: 1 (the first: "
    )
    zipped(tmp_path / "nl.xpi", a="# a comment\n\nfirst Een\nsecond Twee\n")
    with pytest.raises(UserError, match=r"nl\.xpi: a\.ftl: not a valid \.ftl file \(Expected"):
        read(tmp_path, "mozilla", **options)


@pytest.mark.parametrize("name", ["a.txt.gz", "a.txt.zst"])
def test_a_compressed_file_of_no_bytes_is_cut_off(tmp_path, name):
    (tmp_path / name).touch()
    (tmp_path / "b.txt").write_text("een\n")
    with pytest.raises(
        UserError, match=rf"{name}: after line 0: the compressed data is cut off or damaged \(0 bytes\)"
    ):
        read(tmp_path, "text", role="monolingual", files="*.*", documents="lines")


def test_a_card_without_any_text_is_refused(tmp_path):
    (tmp_path / "a.po").touch()
    with pytest.raises(UserError, match=r"data card card: no pair of 'en' and 'nl' in a\.po of .*fetch it again"):
        read(tmp_path, "gettext", files="*.po", accelerators="")
    for name in ("en.xpi", "nl.xpi"):
        zipped(tmp_path / name)
    with pytest.raises(UserError, match=r"data card card: no pair of 'en' and 'nl' in en\.xpi, nl\.xpi of "):
        read(tmp_path, "mozilla", source="en.xpi", target="nl.xpi", source_locale="en", target_locale="nl")
    (tmp_path / "a.txt.gz").write_bytes(gzip.compress(b"\n \n"))
    for number in range(4):
        (tmp_path / f"{number}.jsonl").write_text('{"text": null}\n')
    with pytest.raises(UserError, match=r"a\.txt\.gz: file: no text in its 23 bytes\. Fetch"):
        read(tmp_path, "text", role="monolingual", files="*.gz", documents="lines")
    with pytest.raises(UserError, match=r"no text in 0\.jsonl, 1\.jsonl, 2\.jsonl and 1 more of "):
        read(tmp_path, "jsonl", role="monolingual", columns={"text": "text"}, files="*.jsonl")


def test_one_file_without_text_among_others_is_no_fault(tmp_path):
    (tmp_path / "a.po").write_text(HEADER)
    (tmp_path / "b.po").write_text(HEADER + 'msgid "one"\nmsgstr "een"\n')
    assert segments(read(tmp_path, "gettext", files="*.po", accelerators="")) == [("one", "een")]


@pytest.mark.parametrize("line", ['msgid "x', 'msgid "', 'msgid "x\\"', 'msgid "one"\nmsgstr "een', 'msgid ""\n"x'])
def test_a_string_that_is_not_ended_is_named(tmp_path, line):
    (tmp_path / "a.po").write_text(HEADER + line + "\n")
    number = 4 + line.count("\n")
    with pytest.raises(UserError, match=rf"a\.po: line {number}: a string without its closing quote"):
        read(tmp_path, "gettext", files="*.po", accelerators="")


@pytest.mark.parametrize(
    ("encoding", "message"),
    [
        ("utf-16", r"a\.txt: line 1, byte 1: invalid UTF-8 \(0xff\).*it is UTF-16 .*`iconv -f UTF-16 -t UTF-8`"),
        ("utf-16-be-bom", r"line 1, byte 1: invalid UTF-8 \(0xfe\).*`iconv -f UTF-16 -t UTF-8`"),
        ("utf-32", r"line 1, byte 1: invalid UTF-8 \(0xff\).*`iconv -f UTF-32 -t UTF-8`"),
        (
            "utf-16-le",
            r"a\.txt: line 1, character 2: NUL, which no text has.*`iconv -f UTF-16LE -t UTF-8`, or UTF-16BE",
        ),
        ("utf-16-be", r"a\.txt: line 1, character 1: NUL"),
    ],
)
def test_other_encodings_are_told_by_their_first_bytes(tmp_path, encoding, message):
    text = "regel\nregel\n"
    data = b"\xfe\xff" + text.encode("utf-16-be") if encoding.endswith("bom") else text.encode(encoding)
    (tmp_path / "a.txt").write_bytes(data)
    with pytest.raises(UserError, match=message):
        read(tmp_path, "text", role="monolingual", files="*.txt", documents="lines")


def test_messages_nested_too_deeply(tmp_path):
    (tmp_path / "i18n").mkdir()
    (tmp_path / "i18n" / "en.json").write_text("[" * 100_000)
    (tmp_path / "i18n" / "nl.json").write_text("{}")
    with pytest.raises(UserError, match=r"en\.json: file: JSON that cannot be read"):
        read(tmp_path, "mediawiki", source="**/en.json", target="**/nl.json", folder="i18n")


def test_faulty_messages_name_the_line(tmp_path):
    folder = tmp_path / "i18n"
    folder.mkdir()
    (folder / "en.json").write_text('{"a": "b"}')
    (folder / "nl.json").write_text('{"a":\n "b",}')
    with pytest.raises(UserError, match=r"nl\.json: line 2: not JSON"):
        read(tmp_path, "mediawiki", source="**/en.json", target="**/nl.json", folder="i18n")


def test_a_card_that_fits_no_reader(tmp_path):
    with pytest.raises(UserError, match=r"unknown reader 'getext'\. Did you mean 'gettext'"):
        read(tmp_path, "getext")
    with pytest.raises(UserError, match=r"group_lines: Field required.*'tsv' takes: files, group_lines"):
        read(tmp_path, "tsv", files="*.tsv")
    with pytest.raises(UserError, match="reader 'text' reads monolingual text, but `role` is parallel"):
        read(tmp_path, "text", files="*", documents="lines")
    with pytest.raises(UserError, match=r"no file matches '\*\.tsv'"):
        read(tmp_path, "tsv", files="*.tsv", group_lines=1)
