"""The elements of an XML file one after the other, in bounded memory."""

from collections.abc import Iterator
from pathlib import Path

from lxml import etree

from stages.shared.readers.broken import broken
from stages.shared.readers.markup import Counted, Element, local_name
from stages.shared.readers.text_file import open_bytes, unpacking

SAFE = {"resolve_entities": False, "load_dtd": False, "no_network": True, "huge_tree": False}
"""No entity is expanded, nothing is loaded, and libxml2's limits of depth and size hold."""


def elements(path: Path, names: tuple[str, ...], max_bytes: int) -> Iterator[Element]:
    """Yield each element of one of the names, whole, the outermost where they nest; compressed files are unpacked.

    An element is emptied when the next one is asked for. Raises BrokenInput where the file is not well-formed, cut
    off, or holds more than `max_bytes` without the end of such an element.
    """
    count = inside = 0
    try:
        with unpacking(path, lambda: f"after {names[-1]} {count}"), open_bytes(path) as file:
            counted = Counted(
                file,
                max_bytes,
                lambda: broken(path, f"after {names[-1]} {count}", f"no end of one within {max_bytes:,} bytes"),
            )
            for event, element in etree.iterparse(counted, ("start", "end"), **SAFE):
                if local_name(element) not in names:
                    continue
                inside += 1 if event == "start" else -1
                if event == "end" and not inside:
                    count += local_name(element) == names[-1]
                    yield element
                    counted.found()
                    _forget(element)
    except etree.XMLSyntaxError as error:
        raise broken(path, f"after {names[-1]} {count}", f"not well-formed XML ({error.msg})") from None


def _forget(element: Element) -> None:
    """Empty an element, and remove what comes before it and before what it lies in."""
    element.clear(keep_tail=False)
    for around in (element, *element.iterancestors()):
        parent = around.getparent()
        while parent is not None and around.getprevious() is not None:
            del parent[0]
