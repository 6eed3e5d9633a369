import bz2
import contextlib
import gzip
import io
from itertools import pairwise

import pytest
import zstandard
from warcio.statusandheaders import StatusAndHeaders
from warcio.warcwriter import WARCWriter

from pipeline.errors import UserError
from stages.shared.readers.broken import Skipped

PAGE = "<html><head><title>x</title></head><body><main><p>Een café in {}.</p></main></body></html>"
OPTIONS = {"files": "*.warc*", "records": "response", "group": "host", "body": None, "drop": None, "title": None}
HTML = "text/html; charset=utf-8"
PACK = {".gz": gzip.compress, ".zst": zstandard.compress, ".bz2": bz2.compress}


def archive(*responses, compressed=False):
    """Return an archive of (address, body, type, status), as web crawlers write it."""
    buffer = io.BytesIO()
    writer = WARCWriter(buffer, gzip=compressed)
    for url, body, kind, status in responses:
        http = StatusAndHeaders(status, [("Content-Type", kind)], protocol="HTTP/1.1")
        writer.write_record(writer.create_warc_record(url, "response", payload=io.BytesIO(body), http_headers=http))
    return buffer.getvalue()


def response(place, body=None, kind=HTML, status="200 OK"):
    return f"https://{place}/a", PAGE.format(place).encode() if body is None else body, kind, status


@pytest.mark.parametrize("compressed", [False, True])
def test_pages_of_an_archive(tmp_path, read, lines, compressed):
    content = archive(
        response("gent.example"),
        response("weg.example", status="404 Not Found"),
        response("beeld.example", kind="image/png"),
        response("klank.example", kind="audio/ogg"),
        response("oud.example", "<p>caf\xe9".encode("latin-1"), "text/html; charset=ISO-8859-1"),
        compressed=compressed,
    )
    (tmp_path / ("a.warc.gz" if compressed else "a.warc")).write_bytes(content)
    notes = []
    documents = read(tmp_path, "warc", notes=notes, **OPTIONS)
    assert notes == [
        "data card card: left out: responses of other statuses than 200: 1",
        "data card card: left out: responses of other content types than HTML's: 2",
    ]
    assert lines(documents) == [["Een café in gent.example."], ["café"]]
    assert [(document.group, document.url) for document in documents] == [
        ("card:gent.example", "https://gent.example/a"),
        ("card:oud.example", "https://oud.example/a"),
    ]


def test_text_that_common_crawl_made(tmp_path, read, lines):
    buffer = io.BytesIO()
    writer = WARCWriter(buffer, gzip=True)
    writer.write_record(writer.create_warcinfo_record("a.warc.wet.gz", {"software": "as Common Crawl's"}))
    for place in ("a.example", "b.example"):
        text = io.BytesIO(f"Kop\nEen café in {place}.\n".encode())
        record = writer.create_warc_record(
            f"https://{place}/", "conversion", payload=text, warc_content_type="text/plain"
        )
        writer.write_record(record)
    (tmp_path / "a.warc.wet.gz").write_bytes(buffer.getvalue())
    notes = []
    documents = read(tmp_path, "warc", notes=notes, **(OPTIONS | {"records": "conversion", "group": "page"}))
    assert notes == ["data card card: left out: records of other types than conversion: 1"]
    assert lines(documents) == [["Kop", "Een café in a.example."], ["Kop", "Een café in b.example."]]
    assert [document.group for document in documents] == [document.id for document in documents]


@pytest.mark.parametrize(
    ("body", "kind", "message"),
    [
        (b"<p>caf\xe9", HTML, r"a\.warc: record 2 \(https://b\.example/a\), byte 7: invalid UTF-8"),
        (b"<p>a\0b", HTML, "record 2 .*NUL"),
        (b"<div>" * 15_000, HTML, "record 2 .*the parser gives up on"),
        (b"<p>" + b"x" * 200_000, HTML, "record 2 .*more than 100,000 bytes"),
    ],
)
def test_a_broken_page_is_named_and_skipped(tmp_path, read, body, kind, message):
    content = archive(response("a.example"), response("b.example", body, kind), response("c.example"))
    (tmp_path / "a.warc").write_bytes(content)
    with pytest.raises(UserError, match=message):
        read(tmp_path, "warc", **OPTIONS)
    skipped = Skipped()
    found = [document.url for document in read(tmp_path, "warc", skipped, **OPTIONS)]
    assert found == ["https://a.example/a", "https://c.example/a"]
    assert (skipped.documents, skipped.files) == (1, 0)


def test_wherever_an_archive_is_cut_off_it_is_told(tmp_path, read):
    whole = archive(*(response(f"{name}.example") for name in "abc"))
    counts = []
    for place in range(60, len(whole) - 4, 97):
        for name, data in (
            ("a.warc", whole[:place]),
            *((f"a.warc{ending}", pack(whole)[: place // 3]) for ending, pack in PACK.items()),
        ):
            (tmp_path / name).write_bytes(data)
            skipped = Skipped()
            found = []
            with contextlib.suppress(UserError):  # where no page is left
                found = read(tmp_path, "warc", skipped, **(OPTIONS | {"files": name}))
            assert skipped.files == 1, (name, place)
            if name == "a.warc":
                counts.append(len(found))
    assert counts[0] == 0
    assert counts[-1] == 2
    assert all(second >= first for first, second in pairwise(counts))


@pytest.mark.parametrize(
    ("name", "data"),
    [("a.warc", b""), ("a.warc.gz", b""), *((f"a.warc{ending}", pack(b"")) for ending, pack in PACK.items())],
    ids=["plain", "0 bytes", *PACK],
)
def test_an_archive_of_nothing_is_named_and_counted(tmp_path, read, name, data):
    (tmp_path / name).write_bytes(data)
    (tmp_path / "b.warc").write_bytes(archive(response("b.example")))
    with pytest.raises(UserError, match=rf"{name}: (file: no record in its \d+ bytes|after record 0: .*\(0 bytes\))"):
        read(tmp_path, "warc", **OPTIONS)
    skipped = Skipped()
    assert [document.url for document in read(tmp_path, "warc", skipped, **OPTIONS)] == ["https://b.example/a"]
    assert (skipped.documents, skipped.files) == (0, 1)


def test_an_archive_of_which_no_record_is_wanted_is_sound_and_told(tmp_path, read):
    (tmp_path / "a.warc").write_bytes(archive(response("weg.example", status="404 Not Found")))
    (tmp_path / "b.warc").write_bytes(archive(response("b.example")))
    notes = []
    assert len(read(tmp_path, "warc", notes=notes, **OPTIONS)) == 1
    assert notes == [
        "data card card: a.warc: no response that is read, of records 1",
        "data card card: left out: responses of other statuses than 200: 1",
    ]


def test_something_else_is_no_archive(tmp_path, read):
    (tmp_path / "a.warc").write_bytes(b"no archive\n" * 100)
    with pytest.raises(UserError, match=r"a\.warc: after record 0: not a whole WARC file"):
        read(tmp_path, "warc", **OPTIONS)
