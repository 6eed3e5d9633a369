"""Web archives: pages as they were fetched (WARC), or the text that Common Crawl made of them (WET)."""

from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import BinaryIO, Literal
from urllib.parse import urlsplit

from warcio.archiveiterator import ArchiveIterator
from warcio.exceptions import ArchiveLoadFailed
from warcio.recordloader import ArcWarcRecord

from stages.shared.documents import Document, Segment
from stages.shared.readers.broken import BrokenInput, broken
from stages.shared.readers.html_text import PageRules, decode_html, page_of
from stages.shared.readers.task import Found, ReadTask
from stages.shared.readers.text_file import decode, open_bytes, unpacking

RECORD_END = b"\r\n\r\n"
PAGES = ("text/html", "application/xhtml+xml")


class WarcOptions(PageRules):
    """Options of the reader `warc`; the rules of pages are for `response` only."""

    files: str
    """Glob pattern; .gz, .zst, .bz2 and .xz are unpacked."""
    records: Literal["response", "conversion"]
    """Web pages, or plain text (.wet)."""
    group: Literal["page", "host"]
    """What stays together in the split: pages of one host repeat each other."""


def read_warc(task: ReadTask, options: WarcOptions) -> Iterator[Found]:
    """Yield a document for each page that the server gave as HTML with status 200, or each text; count the others."""

    def read(name: str, path: Path) -> Iterator[Found]:
        number, some = 0, False
        with unpacking(path, lambda: f"after record {number}"), open_bytes(path) as file:
            for number, record in enumerate(_records(path, _Unpacked(file, path)), start=1):
                if kind := _unwanted(record, options):
                    task.count(kind)
                else:
                    for found in _document(f"{name}#{number}", path, record, options, task.handling.max_line_bytes):
                        some = True
                        yield found
        if not number:
            raise broken(path, "file", f"no record in its {path.stat().st_size:,} bytes")
        if not some:
            task.tell(f"{name}: no {options.records} that is read, of records {number:,}")

    return task.documents(options.files, read, may_be_empty=True)


class _Unpacked:
    """An archive's bytes; where they end too early it says so, since warcio takes that for the end."""

    def __init__(self, file: BinaryIO, path: Path) -> None:
        self.file, self.path = file, path
        self.count, self.last = 0, RECORD_END

    def read(self, size: int = -1) -> bytes:
        with unpacking(self.path, lambda: f"after byte {self.count:,} of its content"):
            data = self.file.read(size)
        if not data and not self.last.endswith(RECORD_END):
            raise broken(self.path, f"byte {self.count:,} of its content", "the file ends within a record")
        self.count += len(data)
        self.last = (self.last + data)[-len(RECORD_END) :]
        return data


def _records(path: Path, file: _Unpacked) -> Iterator[ArcWarcRecord]:
    records = ArchiveIterator(file)
    for number in count():
        try:
            record = next(records, None)
        except (ArchiveLoadFailed, AttributeError) as error:  # warcio finds no line where a header is cut off
            raise broken(path, f"after record {number}", f"not a whole WARC file ({error})") from None
        if record is None:
            return
        place = f"record {number + 1}"
        if record.rec_type is None or not record.rec_headers.get_header("Content-Length"):
            raise broken(path, place, "the file ends in its header")
        yield record
        while record.raw_stream.read(1 << 16):
            pass
        _check_whole(record, path, place)


def _check_whole(record: ArcWarcRecord, path: Path, place: str) -> None:
    """Raise BrokenInput where a record that was read has not all its bytes."""
    if record.raw_stream.limit > 0:
        raise broken(path, place, f"the file ends {record.raw_stream.limit:,} bytes before the record does")


def _unwanted(record: ArcWarcRecord, options: WarcOptions) -> str | None:
    """Return the kind of a record that is left out, None for one that is read."""
    if record.rec_type != options.records:
        return f"records of other types than {options.records}"
    if options.records == "response" and _status(record) != "200":
        return "responses of other statuses than 200"
    if options.records == "response" and _content_type(record)[0] not in PAGES:
        return "responses of other content types than HTML's"
    return None


def _document(own: str, path: Path, record: ArcWarcRecord, options: WarcOptions, max_bytes: int) -> Iterator[Found]:
    url = record.rec_headers.get_header("WARC-Target-URI") or ""
    place = f"record {own.rpartition('#')[2]} ({url})"
    data = record.content_stream().read(max_bytes + 1)
    if len(data) > max_bytes:
        yield broken(path, place, f"more than {max_bytes:,} bytes", "document")
        return
    _check_whole(record, path, place)
    try:
        lines = _lines(data, _content_type(record)[1], options, path, place)
    except BrokenInput as fault:
        yield fault
        return
    group = urlsplit(url).hostname or own if options.group == "host" else own
    yield Document(own, group, tuple(Segment("", line) for line in lines), url)


def _lines(data: bytes, parameters: str, options: WarcOptions, path: Path, place: str) -> tuple[str, ...]:
    if options.records == "conversion":
        return tuple(decode(data, path, place, lost="document").splitlines())
    charset = parameters.lower().partition("charset=")[2].strip(" \"';") or None
    return page_of(decode_html(data, charset, path, place, "document"), options, path, place, "document").lines


def _content_type(record: ArcWarcRecord) -> tuple[str, str]:
    """Return the server's content type and the parameters behind it, both empty where there is none."""
    told = (record.http_headers.get_header("Content-Type") or "") if record.http_headers else ""
    kind, _, parameters = told.partition(";")
    return kind.strip().lower(), parameters


def _status(record: ArcWarcRecord) -> str:
    return (record.http_headers.get_statuscode() or "") if record.http_headers else ""
