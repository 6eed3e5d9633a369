"""Settings of the text of another domain that models are measured on."""

from pathlib import Path
from typing import Any, Literal

from pydantic import PositiveInt, model_validator

from pipeline.section import LocalPath, Section, with_sha256


class OtherDomain(Section):
    """Text of another domain than the corpus: a UTF-8 file of one document a line."""

    path: LocalPath
    sha256: str
    """Of the file, taken from it when the run is planned."""
    lines: Literal["odd", "even", "all"]
    """Which lines of the file are scored, counted from 1, empty ones too: a method that was designed on the odd ones is
    judged on the even ones."""
    first_line: PositiveInt
    """Lines before it are not scored: they were looked at while a method was designed."""
    passage_lines: PositiveInt
    """Lines of the file that are drawn together when an interval is made, as neighbours may be of one article."""

    @model_validator(mode="before")
    @classmethod
    def _fingerprint(cls, values: Any) -> Any:
        missing = "another domain needs its text: leaderboard.other_domain.path=FILE"
        return with_sha256(values, "path", missing, Path.cwd())
