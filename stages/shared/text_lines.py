"""Text files that a user names, a line a segment."""

from pathlib import Path
from typing import Any

from pydantic import model_validator

from pipeline.errors import UserError
from pipeline.section import LocalPath, Section, with_sha256


class TextFile(Section):
    """A UTF-8 file, a line a segment; empty lines count."""

    path: LocalPath
    sha256: str
    """Of the file, taken from it when the run is planned."""

    @model_validator(mode="before")
    @classmethod
    def _fingerprint(cls, values: Any) -> Any:
        return with_sha256(values, "path", "names no file; give path=FILE", Path.cwd())


def text_lines(file: TextFile) -> list[str]:
    """Return the lines of a file without their ends. Raises UserError where it is not UTF-8."""
    try:
        text = file.path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"{file.path} is not UTF-8 ({error.reason}); convert it, for example with iconv") from None
    return [line.removesuffix("\r") for line in text.removesuffix("\n").split("\n")]


def paired_lines(source: TextFile, target: TextFile) -> list[tuple[str, str]]:
    """Return the lines of two files that belong together. Raises UserError where one has more."""
    sources, targets = text_lines(source), text_lines(target)
    if len(sources) != len(targets):
        raise UserError(
            f"{source.path} has {len(sources)} lines, {target.path} {len(targets)}: give two files whose lines belong "
            "together"
        )
    return list(zip(sources, targets, strict=True))
