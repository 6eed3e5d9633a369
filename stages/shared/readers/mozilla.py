"""Mozilla's language packs: an .xpi is a zip of .ftl, .properties and .dtd files."""

import lzma
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

from fluent.syntax import FluentParser
from fluent.syntax.ast import Junk
from moz.l10n.formats.fluent import fluent_parse
from moz.l10n.model import Entry, Expression, Message, PatternMessage, Resource, VariableRef
from moz.l10n.resource import parse_resource

from pipeline.errors import UserError
from pipeline.section import Section
from stages.shared.documents import Document, Segment, cut
from stages.shared.readers.broken import broken
from stages.shared.readers.task import Found, ReadTask
from stages.shared.readers.text_file import decode

FORMATS = (".dtd", ".ftl", ".properties")
# Keys, sizes and addresses are no language.
NO_TEXT = re.compile(
    r"(accesskey|access-key|commandkey|shortcut|\.key\d?|keycode|modifiers|style|width|height|url)$", re.I
)
Messages = dict[str, str]


class MozillaOptions(Section):
    """Options of the reader `mozilla`."""

    source: str
    """The language pack of the source language."""
    target: str
    source_locale: str
    """The locale as the pack's paths spell it."""
    target_locale: str


def read_mozilla(task: ReadTask, options: MozillaOptions) -> Iterator[Found]:
    """Yield each file of messages in documents; an area of the program (a folder of files) is a group.

    Raises UserError for a broken language pack; single broken entries of an .ftl file are left out and told.
    """
    (_, source), (_, target) = task.file(options.source), task.file(options.target)
    english = read_pack(source, options.source_locale, task.tell)
    for name, translated in read_pack(target, options.target_locale, task.tell).items():
        first = english.get(name, {})
        segments = tuple(Segment(first[key], text) for key, text in translated.items() if key in first)
        yield from cut(Document(name, PurePosixPath(name).parent.as_posix(), segments), task.handling.catalogue_bytes)


def read_pack(path: Path, locale: str, tell: Callable[[str], None]) -> dict[str, Messages]:
    """Return the messages of a language pack by file and key, sorted by file; the locale in a path becomes `@`.

    Raises UserError where the zip or a file in it is broken, or an entry points outside.
    """
    try:
        with zipfile.ZipFile(path) as pack:
            names = sorted(pack.namelist())
            _refuse_outside(path, names)
            contents = {name: pack.read(name) for name in names if name.endswith(FORMATS)}
    except (zipfile.BadZipFile, EOFError, OSError, RuntimeError, zlib.error, lzma.LZMAError) as error:
        raise broken(path, "archive", f"not a whole zip ({error})") from None
    parsed = {name: list(_entries(path, name, data, tell)) for name, data in contents.items()}
    terms = {key: text for entries in parsed.values() for key, message in entries if (text := _text(message, {}))}
    return {
        "/".join("@" if part == locale else part for part in name.split("/")): {
            key: text
            for key, message in entries
            if not NO_TEXT.search(key) and not key.startswith("-") and (text := _text(message, terms))
        }
        for name, entries in parsed.items()
    }


def _refuse_outside(path: Path, names: list[str]) -> None:
    for name in names:
        if name.startswith("/") or ".." in PurePosixPath(name).parts:
            raise UserError(f"{path}: entry '{name}' points outside the archive; do not use this file, fetch it again")


def _entries(path: Path, name: str, data: bytes, tell: Callable[[str], None]) -> Iterator[tuple[str, Message]]:
    text = decode(data, path, name)
    try:
        resource = _fluent(path, name, text, tell) if name.endswith(".ftl") else parse_resource(name, text)
    except ValueError as error:
        raise broken(path, name, f"not a valid {PurePosixPath(name).suffix} file ({error})") from None
    for section in resource.sections:
        for entry in section.entries:
            if isinstance(entry, Entry):
                key = ".".join((*section.id, *entry.id))
                yield key, entry.value
                yield from ((f"{key}.{attribute}", message) for attribute, message in entry.properties.items())


def _fluent(path: Path, name: str, text: str, tell: Callable[[str], None]) -> Resource[Message]:
    """Parse an .ftl file without its Junk, which Fluent's own parsers skip; raise ValueError where that is all."""
    parsed = FluentParser().parse(text)
    junk = [entry for entry in parsed.body if isinstance(entry, Junk)]
    parsed.body = [entry for entry in parsed.body if not isinstance(entry, Junk)]
    resource = fluent_parse(parsed)
    if junk:
        reason = junk[0].annotations[0].message if junk[0].annotations else "no entry"
        if not any(isinstance(entry, Entry) for section in resource.sections for entry in section.entries):
            raise ValueError(reason)
        tell(f"{path.name}: {name}: entries left out as they are not valid Fluent: {len(junk)} (the first: {reason})")
    return resource


def _text(message: Message, terms: Messages) -> str:
    """Return a message's text; of several variants the last, which is the general one."""
    pattern = message.pattern if isinstance(message, PatternMessage) else list(message.variants.values())[-1]
    return "".join(part if isinstance(part, str) else _placeholder(part, terms) for part in pattern).strip()


def _placeholder(part: object, terms: Messages) -> str:
    if not isinstance(part, Expression):
        return ""
    if isinstance(part.arg, VariableRef):
        # As it stands in .properties and .dtd files; Fluent has names only.
        return str(part.attributes.get("source") or f"${part.arg.name}")
    name = part.arg or ""
    if part.function == "message":
        return terms.get(name, name.lstrip("-"))
    return str(part.attributes.get("source") or name)
