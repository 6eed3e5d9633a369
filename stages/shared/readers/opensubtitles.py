"""Subtitles of whole films, as OPUS has them in XML: a folder a film, a file each of its subtitles."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Literal

from pipeline.section import Section
from stages.shared.documents import Document, Segment
from stages.shared.readers.broken import BrokenInput, broken
from stages.shared.readers.markup import Element, local_name, text_of
from stages.shared.readers.subtitles import clean_subtitles
from stages.shared.readers.task import Found, ReadTask
from stages.shared.readers.xml_stream import elements


class OpensubtitlesOptions(Section):
    """Options of the reader `opensubtitles`."""

    files: str
    """Glob pattern of the files, `YEAR/FILM/SUBTITLES.xml`; .gz is unpacked. A film, its folder, is a group."""
    versions: Literal["first", "all"]
    """Many films have several subtitles that say nearly the same: the first by name that is not broken, or all."""


def read_opensubtitles(task: ReadTask, options: OpensubtitlesOptions) -> Iterator[Found]:
    """Yield a document for each film or each of its subtitles, adverts and marks for the hard of hearing taken out.

    A broken file is a broken document; where one of a film is wanted, the next by name is read in its place.
    """
    films = dict[str, list[tuple[str, Path]]]()
    for name, path in task.files(options.files):
        films.setdefault(_film(name), []).append((name, path))

    def read(name: str, path: Path) -> Iterator[Found]:
        versions = films[_film(name)] if options.versions == "first" else [(name, path)]
        if versions[0][0] != name:
            return  # read with the film's first
        for number, version in enumerate(versions, start=1):
            found = _subtitles(*version, task)
            yield found
            if isinstance(found, Document):
                task.count("further subtitles of films that were read", len(versions) - number)
                return

    return task.documents(options.files, read, may_be_empty=True)


def _film(name: str) -> str:
    return str(PurePosixPath(name).parent)


def _subtitles(name: str, path: Path, task: ReadTask) -> Found:
    """Return the document that a file is, or what is wrong with it."""
    try:
        sentences = [_sentence(element) for element in elements(path, ("s",), task.handling.max_line_bytes)]
    except BrokenInput as fault:
        return BrokenInput(str(fault), "document")  # the file is one document, whatever of it is broken
    if not sentences:
        return broken(path, "file", "no <s>, which OPUS puts sentences in", "document")
    removed = Counter[str]()
    lines = clean_subtitles(sentences, removed)
    for kind, number in removed.items():
        task.count(kind, number)
    return Document(name, _film(name), tuple(Segment("", line) for line in lines))


def _sentence(element: Element) -> str:
    words = [text_of(word) for word in element if local_name(word) == "w"]  # OPUS' tokenised form
    return " ".join(words) if words else text_of(element)
