"""Documents in XML: legislation, gazettes, manuals."""

from collections.abc import Iterator
from pathlib import Path

from pydantic import Field

from pipeline.section import Section
from stages.shared.documents import Document, Segment
from stages.shared.readers.broken import broken
from stages.shared.readers.markup import Element, local_name, text_of
from stages.shared.readers.task import Found, ReadTask
from stages.shared.readers.xml_stream import elements


class XmlOptions(Section):
    """Options of the reader `xml`. Names of elements are without their namespace."""

    files: str
    """Glob pattern; .gz, .zst, .bz2 and .xz are unpacked. Each file is a group."""
    document: str
    """Element that is a document; the file's outermost one where a file is one document."""
    paragraphs: tuple[str, ...] = Field(min_length=1)
    """Elements that are a line each. What stands outside of them is left out; one in another is a line of its own."""
    drop: tuple[str, ...]
    """Elements left out with all that they hold: notes, metadata."""
    id: str | None
    """Attribute of the document's element that names it; null: its number in the file, which is also added to a name
    that comes again."""
    url: str | None
    """Address of a document, `{id}` being that name and `{file}` the file's without what follows its first dot."""


def read_xml(task: ReadTask, options: XmlOptions) -> Iterator[Found]:
    """Yield a document for each element of the name; entities are not expanded but for HTML's own characters."""

    def read(name: str, path: Path) -> Iterator[Found]:
        found = elements(path, (options.document,), task.handling.max_line_bytes)
        names = set[str]()
        for number, element in enumerate(found, start=1):
            own = _attribute(element, options.id) if options.id else ""
            key = own or str(number)
            while key in names:
                key = f"{key}#{number}"
            names.add(key)
            try:
                lines = tuple(Segment("", line) for line in paragraphs(element, options))
            except ValueError as error:
                yield broken(path, f"{options.document} {key}", str(error), "document")
                continue
            url = (options.url or "").format(id=own, file=path.name.partition(".")[0])
            yield Document(f"{name}#{key}", name, lines, url)

    return task.documents(options.files, read)


def paragraphs(document: Element, options: XmlOptions) -> Iterator[str]:
    """Yield the lines of a document; raise ValueError for an entity that is not known."""
    dropped, apart = set(options.drop), {*options.drop, *options.paragraphs}
    for element in document.iter(*(f"{{*}}{name}" for name in options.paragraphs)):
        around = {local_name(outer) for outer in element.iterancestors()} if dropped else set()
        if not dropped & {*around, local_name(element)} and (line := text_of(element, apart)):
            yield line


def _attribute(element: Element, name: str) -> str:
    return next((str(value) for key, value in element.items() if key.rpartition("}")[2] == name), "")
