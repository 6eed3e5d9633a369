"""Named choices, with errors that help."""

import difflib
from collections.abc import Iterable, Mapping
from typing import TypeVar

from pipeline.errors import UserError

Choice = TypeVar("Choice")


def unknown(kind: str, name: str, available: Iterable[str]) -> str:
    """Return the message for a name that is not among the available ones.

    >>> unknown("init method", "transtokenize", ["mean", "trans_tokenize"])
    "unknown init method 'transtokenize'. Did you mean 'trans_tokenize'? Available: mean, trans_tokenize"
    """
    names = sorted(available)
    close = difflib.get_close_matches(name, names, n=1)
    hint = f" Did you mean '{close[0]}'?" if close else ""
    return f"unknown {kind} '{name}'.{hint} Available: {', '.join(names)}"


class Registry(dict[str, Choice]):
    """What users choose by name, for example the initialisation methods.

    `registry["typo"]` raises UserError that lists the names and suggests the nearest.
    """

    def __init__(self, kind: str, choices: Mapping[str, Choice] | None = None) -> None:
        super().__init__(choices or {})
        self.kind = kind

    def __missing__(self, name: str) -> Choice:
        raise UserError(unknown(self.kind, name, self))
