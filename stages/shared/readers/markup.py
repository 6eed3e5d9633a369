"""XML and HTML trees as text, without recursion, however deep they are."""

import html
from collections.abc import Callable, Collection, Iterator
from typing import Any, BinaryIO

from lxml import etree

from stages.shared.readers.broken import BrokenInput

Element = Any  # lxml has no types


def local_name(element: Element) -> str:
    """Return an element's name without its namespace; empty for comments and the like."""
    return element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""


def text_of(element: Element, without: Collection[str] = ()) -> str:
    """Return an element's text in one line, without that of the elements inside it of the given names.

    Raises ValueError for an entity that only a document type definition, which is not read, would explain.
    """
    return " ".join("".join(pieces(element, lambda inner: local_name(inner) in without)).split())


def pieces(
    element: Element, skip: Callable[[Element], bool], begin_end: Callable[[Element], str] = lambda _: ""
) -> Iterator[str]:
    """Yield the pieces of text below an element in order; `begin_end` stands before and after what an element holds."""
    waiting: list[Element | str] = [element]
    while waiting:
        node = waiting.pop()
        if isinstance(node, str):
            yield node
        elif node.tag is etree.Entity:
            yield _character(node)
        elif isinstance(node.tag, str) and (node is element or not skip(node)):
            yield (border := begin_end(node))
            yield node.text or ""
            waiting.append(border)
            for child in reversed(node):
                waiting += (child.tail or "", child)


def _character(entity: Element) -> str:
    text = html.unescape(entity.text or "")
    if text == entity.text:
        raise ValueError(f"the entity {text} is not one of HTML's, and definitions in the file are not expanded")
    return text


class Counted:
    """A file that is read on only as long as the parser finds an element's end every `max_bytes`."""

    def __init__(self, file: BinaryIO, max_bytes: int, fault: Callable[[], BrokenInput]) -> None:
        self.file = file
        self.left = self.max_bytes = max_bytes
        self.fault = fault

    def read(self, size: int = -1) -> bytes:
        """Return the next piece; raise BrokenInput where too much was read in vain."""
        data = self.file.read(size)
        self.left -= len(data)
        if self.left < 0:
            raise self.fault()
        return data

    def found(self) -> None:
        """Begin to count anew."""
        self.left = self.max_bytes
