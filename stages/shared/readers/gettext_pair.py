"""Two gettext catalogues of the same messages: pairs of two translations."""

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from pipeline.section import Section
from stages.shared.documents import Document, Segment, cut
from stages.shared.readers.gettext import entries, translations, without_accelerator
from stages.shared.readers.task import Found, ReadTask

Message = tuple[str | None, str]
"""Context and message id."""


class GettextPairOptions(Section):
    """Options of the reader `gettext_pair`."""

    files: str
    """Glob pattern over the target language's .mo and .po files; each file is a group, that of the reader `gettext`."""
    target_folder: str
    """Name of the folder above them that is the target language's."""
    source_folder: str
    """Its name where the source language's file of the same name is."""
    accelerators: str
    """Characters that mark a keyboard accelerator in these catalogues: `&` in Qt and KDE, `_` in GTK, or none."""


def read_gettext_pair(task: ReadTask, options: GettextPairOptions) -> Iterator[Found]:
    """Yield each catalogue in documents: the messages that both languages translate, joined by context and message id.

    Catalogues that the source language lacks are passed over. Raises UserError for a broken catalogue.
    """

    def read(name: str, path: Path) -> Iterator[Found]:
        folders = PurePosixPath(name).parts
        named = [options.source_folder if folder == options.target_folder else folder for folder in folders]
        other = task.folder.joinpath(*named)
        if other == path or not other.is_file():
            return
        source = messages(other)
        pairs = (Segment(source[key], text) for key, text in messages(path).items() if key in source)
        segments = tuple(without_accelerator(pair, options.accelerators) for pair in pairs)
        yield from cut(Document(name, name, segments), task.handling.catalogue_bytes)

    return task.documents(options.files, read, may_be_empty=True)


def messages(path: Path) -> dict[Message, str]:
    """Return the translations of a catalogue in its order."""
    return {(entry.msgctxt, pair.source): pair.target for entry in entries(path) for pair in translations(entry)}
