"""Translation memories, TMX 1.4, OPUS' among them."""

from collections.abc import Iterator
from pathlib import Path

from pydantic import PositiveInt

from pipeline.section import Section
from stages.shared.documents import Segment
from stages.shared.readers.broken import broken
from stages.shared.readers.markup import Element, local_name, text_of
from stages.shared.readers.pairs import Pair, in_groups
from stages.shared.readers.task import Found, ReadTask
from stages.shared.readers.xml_stream import elements

XML_LANG = "{http://www.w3.org/XML/1998/namespace}lang"
CODES = ("bpt", "ept", "it", "ph", "ut")
"""Elements that hold another program's mark-up."""


class TmxOptions(Section):
    """Options of the reader `tmx`."""

    files: str
    """Glob pattern; .gz, .zst, .bz2 and .xz are unpacked."""
    source: str
    """Code of the source language in `xml:lang`; `en` is also `en-US`."""
    target: str
    group_lines: PositiveInt
    """Consecutive units that stay together in the split: 1 where they are independent of each other."""


def read_tmx(task: ReadTask, options: TmxOptions) -> Iterator[Found]:
    """Yield documents of `group_lines` translation units; those without both languages are left out and counted."""

    def read(name: str, path: Path) -> Iterator[Found]:
        units = enumerate(elements(path, ("tu",), task.handling.max_line_bytes), start=1)
        pairs = (pair for number, unit in units for pair in _pair(path, number, unit, options, task))
        return in_groups(name, pairs, options.group_lines)

    return task.documents(options.files, read)


def _pair(path: Path, number: int, unit: Element, options: TmxOptions, task: ReadTask) -> Iterator[Pair]:
    try:
        sides = [_side(unit, code) for code in (options.source, options.target)]
    except ValueError as error:
        yield number, broken(path, f"unit {number}", str(error), "document")
        return
    source, target = sides
    if source is None or target is None:
        task.count(f"units without both {options.source} and {options.target}")
    else:
        yield number, Segment(source, target)


def _side(unit: Element, code: str) -> str | None:
    """Return the text of the first variant in a language, None where there is none."""
    for variant in unit:
        language = str(variant.get(XML_LANG) or variant.get("lang") or "").lower().replace("_", "-")
        if language == code.lower() or language.startswith(f"{code.lower()}-"):
            for segment in variant:
                if local_name(segment) == "seg":
                    return text_of(segment, CODES)
    return None
