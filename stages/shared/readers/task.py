"""What a reader is told beside its options."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.errors import UserError


@dataclass(frozen=True)
class ReadTask:
    """The content of one data card's source, and how it is to be read."""

    folder: Path
    card: str
    parallel: bool
    columns: Mapping[str, str]
    """Column of a table by what it holds: a language's code, `text`, `group`."""
    languages: tuple[str, str]
    """Codes of source and target language, as the columns' keys spell them."""
    catalogue_bytes: int
    tell: Callable[[str], None]
    """Takes what was left out though the card's files are sound on the whole."""
    names: list[str] = field(default_factory=list)
    """The files that were asked for until now."""

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

    def column(self, key: str) -> str:
        """Return the column that holds what the key says; raise UserError where the card does not tell."""
        if key not in self.columns:
            raise UserError(
                f"data card {self.card}: `columns` does not say which column holds '{key}'; add `{key}: NAME` to it"
            )
        return self.columns[key]
