"""What a reader is told beside its options."""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.errors import UserError
from stages.shared.documents import Document
from stages.shared.readers.broken import BrokenInput, Handler, broken, with_faults
from stages.shared.readers.left_out import LeftOut

Found = Document | BrokenInput
"""What a file holds: documents, and in the place of those that are broken what is wrong with them."""


@dataclass(frozen=True)
class Handling:
    """How all cards of a corpus are read."""

    catalogue_bytes: int
    """A catalogue of messages is cut into documents of about this size."""
    max_line_bytes: int
    """A longer line, row, page or record is broken input."""
    broken: Handler
    left_out: LeftOut
    """Takes what is not read though the card's files are sound on the whole."""


@dataclass(frozen=True)
class ReadTask:
    """The content of one data card's source, and how it is to be read."""

    folder: Path
    card: str
    parallel: bool
    columns: Mapping[str, str]
    """Column of a table by what it holds: a language's code, `text`, `group`, `url`."""
    languages: tuple[str, str]
    """Codes of source and target language, as the columns' keys spell them."""
    handling: Handling
    only: Collection[str] | None = None
    """Names of the files to read of those that a reader's `files` matches; None for all."""
    names: list[str] = field(default_factory=list)
    """The files that were asked for until now."""

    def tell(self, note: str) -> None:
        """Note what was left out, with the card's name."""
        self.handling.left_out.notes.append(f"data card {self.card}: {note}")

    def count(self, kind: str, number: int = 1) -> None:
        """Count what was left out, with the card's name; a kind of which there is nothing is not told."""
        if number:
            self.handling.left_out.counts[f"data card {self.card}: left out: {kind}"] += number

    def files(self, pattern: str) -> list[tuple[str, Path]]:
        """Return name and path of each matching file, sorted by name; raise UserError where there is none."""
        found = {path.relative_to(self.folder).as_posix(): path for path in self.folder.glob(pattern)}
        files = sorted((name, path) for name, path in found.items() if path.is_file())
        if not files:
            raise UserError(
                f"data card {self.card}: no file matches '{pattern}' in its source. The package may have changed, or "
                "not hold the language: correct the card's `reader`, or leave the card out of the language's `cards`"
            )
        self.names.extend(name for name, _ in files)
        return files

    def file(self, name: str) -> tuple[str, Path]:
        """Return name and path of the one file that a pattern names; raise UserError where it is none or several."""
        files = self.files(name)
        if len(files) > 1:
            names = ", ".join(found for found, _ in files[:3])
            raise UserError(f"data card {self.card}: '{name}' names several files ({names}, ...); name one in `reader`")
        return files[0]

    def documents(
        self, pattern: str, read: Callable[[str, Path], Iterator[Found]], may_be_empty: bool = False
    ) -> Iterator[Found]:
        """Yield what each matching file holds; `read` takes its name and path, and a fault ends this file only.

        A file that holds nothing at all is broken: it may be a download that never began.
        """
        for name, path in self.files(pattern):
            if self.only is not None and name not in self.only:
                continue
            empty = not may_be_empty
            for found in with_faults(read(name, path)):
                empty = False
                yield found
            if empty:
                yield broken(path, "file", f"no text in its {path.stat().st_size:,} bytes")

    def column(self, key: str) -> str:
        """Return the column that holds what the key says; raise UserError where the card does not tell."""
        if key not in self.columns:
            raise UserError(
                f"data card {self.card}: `columns` does not say which column holds '{key}'; add `{key}: NAME` to it"
            )
        return self.columns[key]
