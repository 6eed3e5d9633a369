"""MediaWiki's messages: JSON, in each folder one file a language."""

import json
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from pipeline.section import Section
from stages.shared.documents import Document, Segment, cut
from stages.shared.readers.broken import broken
from stages.shared.readers.task import Found, ReadTask
from stages.shared.readers.text_file import read_text

# The innermost template first: {{PLURAL:$1|page|pages}}, {{GENDER:$1|he|she}}, {{int:name}}, {{SITENAME}}.
TEMPLATE = re.compile(r"\{\{([^{}|:]*):?([^{}|]*)((?:\|[^{}]*)?)\}\}")
INTERNAL_LINK = re.compile(r"\[\[([^\[\]|]*\|)*([^\[\]|]*)\]\]")
EXTERNAL_LINK = re.compile(r"\[(?:https?:)?//?\S+ ([^\]]*)\]|\[\$\d+ ([^\]]*)\]")
QUOTES = re.compile(r"'{2,}")


class MediawikiOptions(Section):
    """Options of the reader `mediawiki`."""

    source: str
    """Glob pattern of the source language's files."""
    target: str
    """Its name is the target language's file in the same folder."""
    folder: str
    """A folder of this name is above every message file: `i18n`."""


def read_mediawiki(task: ReadTask, options: MediawikiOptions) -> Iterator[Found]:
    """Yield each folder of messages in documents; an extension's folder is a group."""
    target_name = PurePosixPath(options.target).name

    def read(name: str, path: Path) -> Iterator[Found]:
        other = path.with_name(target_name)
        if options.folder in PurePosixPath(name).parts[:-1] and other.is_file():
            source, target = messages(path), messages(other)
            pairs = ((source[key], target[key]) for key in source if key in target)
            segments = tuple(Segment(plain_text(first), plain_text(second)) for first, second in pairs)
            folder = PurePosixPath(name).parent.as_posix()
            yield from cut(Document(folder, folder, segments), task.handling.catalogue_bytes)

    return task.documents(options.source, read, may_be_empty=True)


def messages(path: Path) -> dict[str, str]:
    """Return the messages of one language by key, without @metadata."""
    try:
        found = json.loads(read_text(path))
    except json.JSONDecodeError as error:
        raise broken(path, f"line {error.lineno}", f"not JSON ({error.msg})") from None
    except (RecursionError, ValueError) as error:  # nested too deeply; a number of thousands of digits
        raise broken(path, "file", f"JSON that cannot be read ({error})") from None
    if not isinstance(found, dict):
        raise broken(path, "file", "not a JSON object of messages")
    return {key: text for key, text in found.items() if isinstance(text, str)}


def plain_text(message: str) -> str:
    """Return a message without wiki mark-up; of the forms of PLURAL and GENDER the last and the first one stay.

    >>> plain_text("'''[[Special:Log|Log]]''' of $1 {{PLURAL:$1|page|pages}} on {{SITENAME}}")
    'Log of $1 pages on SITENAME'
    """
    before = None
    while before != message:
        before = message
        message = TEMPLATE.sub(_shown, message)
    message = INTERNAL_LINK.sub(lambda link: link[2], message)
    message = EXTERNAL_LINK.sub(lambda link: link[1] or link[2] or "", message)
    return QUOTES.sub("", message)


def _shown(template: re.Match[str]) -> str:
    name, _, forms = template.groups()
    # A form such as "0=no pages" holds for one number only.
    general = [form for form in forms.split("|")[1:] if not re.match(r"\d+=", form)]
    if not general:
        return name if ":" not in template[0] else ""
    return general[0] if name.strip().upper() == "GENDER" else general[-1]
