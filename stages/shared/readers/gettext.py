"""gettext catalogues, .mo and .po."""

import io
import re
import struct
from collections.abc import Iterator
from pathlib import Path

import polib

from pipeline.section import Section
from stages.shared.documents import Document, Segment, cut
from stages.shared.readers.broken import broken
from stages.shared.readers.task import Found, ReadTask
from stages.shared.readers.text_file import not_utf8, read_text

# Translators enter their own names and addresses here.
PERSONAL = re.compile(r"translators?[ _-]credits|(name|email) of translators|^your (names|emails)$", re.IGNORECASE)

# A line that opens a string, and one that also ends it: polib cuts off the first and last character unseen.
OPENS = re.compile(r'(msg\S+\s*)?"')
STRING = re.compile(r'(msg\S+\s*)?"(?:[^"\\]|\\.)*"')


class GettextOptions(Section):
    """Options of the reader `gettext`."""

    files: str
    """Glob pattern over .mo and .po files; each file is a group."""
    accelerators: str
    """Characters that mark a keyboard accelerator in these catalogues: `&` in Qt and KDE, `_` in GTK, or none."""


def read_gettext(task: ReadTask, options: GettextOptions) -> Iterator[Found]:
    """Yield each catalogue in documents; plural forms give a pair for the singular and one for the plural.

    Skipped are the header, what is not translated, fuzzy and obsolete entries, and the translators' names.
    A catalogue without any messages is no fault.
    """

    def read(name: str, path: Path) -> Iterator[Found]:
        pairs = (pair for entry in entries(path) for pair in translations(entry))
        segments = tuple(without_accelerator(pair, options.accelerators) for pair in pairs)
        yield from cut(Document(name, name, segments), task.handling.catalogue_bytes)

    return task.documents(options.files, read, may_be_empty=True)


def entries(path: Path) -> list[polib.POEntry]:
    """Return what a catalogue holds, without fuzzy and obsolete entries; raise UserError for a broken one."""
    try:
        if path.suffix == ".mo":
            _check_whole(path.read_bytes())
        else:
            _check_strings(path)
        catalogue = (polib.mofile if path.suffix == ".mo" else polib.pofile)(str(path), encoding="utf-8")
    except UnicodeDecodeError as error:
        raise not_utf8(path, "a message", error) from None
    except (OSError, struct.error, IndexError) as error:
        raise broken(path, "catalogue", f"not a whole gettext catalogue ({error})") from None
    return [entry for entry in catalogue if not (entry.obsolete or "fuzzy" in entry.flags)]


def _check_whole(data: bytes) -> None:
    """Raise OSError where a .mo names text behind the file's end, which polib reads as if it were empty."""
    order = "<" if data[:4] == b"\xde\x12\x04\x95" else ">"
    count, *tables = struct.unpack_from(f"{order}3I", data, 8)
    for table in tables:
        for length, offset in struct.iter_unpack(f"{order}2I", data[table : table + 8 * count]):
            if offset + length > len(data):
                raise OSError(f"text at byte {offset:,} of a file of {len(data):,}")
        if table + 8 * count > len(data):
            raise OSError(f"a table ends at byte {table + 8 * count:,} of a file of {len(data):,}")


def _check_strings(path: Path) -> None:
    """Raise UserError for a .po with a string that its line does not end, as where the file is cut off."""
    for number, line in enumerate(io.StringIO(read_text(path), newline=None), start=1):
        if OPENS.match(line.strip()) and not STRING.fullmatch(line.strip()):
            raise broken(path, f"line {number}", "a string without its closing quote")


def translations(entry: polib.POEntry) -> Iterator[Segment]:
    """Yield message id and translation, of plural forms those for the singular and for the plural."""
    if PERSONAL.search(entry.msgctxt or "") or PERSONAL.search(entry.msgid):
        return
    if entry.msgid_plural:
        forms = [entry.msgstr_plural[number] for number in sorted(entry.msgstr_plural)]
        yield from (Segment(entry.msgid, forms[0]), Segment(entry.msgid_plural, forms[-1])) if forms else ()
    elif entry.msgid and entry.msgstr:
        yield Segment(entry.msgid, entry.msgstr)


def without_accelerator(pair: Segment, marks: str) -> Segment:
    """Return a pair without the marks of keyboard accelerators."""
    for mark in marks:
        # Two in one string are emphasis or a name such as FILE_NAME_2; one that a letter does not follow is an "and".
        pattern = rf"(?<!{re.escape(mark)}){re.escape(mark)}(?=\w)(?!\w+;)"
        if all(len(re.findall(pattern, side)) <= 1 and side.count(mark) <= 1 for side in pair):
            pair = Segment(*(re.sub(pattern, "", side) for side in pair))
    return pair
