"""Subtitles of whole films, as OPUS has them in XML: a folder a film, a file each of its subtitles."""

from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Literal

from pipeline.section import Section
from stages.shared.documents import Document, Segment
from stages.shared.readers.broken import broken
from stages.shared.readers.markup import Element, local_name, text_of
from stages.shared.readers.subtitles import clean_subtitles
from stages.shared.readers.task import Found, ReadTask
from stages.shared.readers.xml_stream import elements


class OpensubtitlesOptions(Section):
    """Options of the reader `opensubtitles`."""

    files: str
    """Glob pattern of the files, `YEAR/FILM/SUBTITLES.xml`; .gz is unpacked. A film, its folder, is a group."""
    versions: Literal["first", "all"]
    """Many films have several subtitles that say nearly the same: the first by name, or all."""


def read_opensubtitles(task: ReadTask, options: OpensubtitlesOptions) -> Iterator[Found]:
    """Yield a document for each film or each of its subtitles, adverts and marks for the hard of hearing taken out."""
    first = {str(PurePosixPath(name).parent): name for name, _ in reversed(task.files(options.files))}

    def read(name: str, path: Path) -> Iterator[Found]:
        film = str(PurePosixPath(name).parent)
        if options.versions == "first" and first[film] != name:
            return
        sentences = [_sentence(element) for element in elements(path, ("s",), task.handling.max_line_bytes)]
        if not sentences:
            yield broken(path, "file", "no <s>, which OPUS puts sentences in")
            return
        yield Document(name, film, tuple(Segment("", line) for line in clean_subtitles(sentences)))

    return task.documents(options.files, read, may_be_empty=True)


def _sentence(element: Element) -> str:
    words = [text_of(word) for word in element if local_name(word) == "w"]  # OPUS' tokenised form
    return " ".join(words) if words else text_of(element)
