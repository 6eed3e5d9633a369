"""Broken input: what it is, and the two ways to meet it."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Literal, TypeVar

from pipeline.errors import UserError

Lost = Literal["document", "file"]
OnBroken = Literal["stop", "skip"]
EXAMPLES = 10
Item = TypeVar("Item")


class BrokenInput(UserError):
    """A document that cannot be read, or a file from some place on to its end."""

    def __init__(self, message: str, lost: Lost) -> None:
        super().__init__(message)
        self.lost: Lost = lost

    def __reduce__(self) -> tuple[type["BrokenInput"], tuple[str, Lost]]:
        """Tell how it is made again where another process raised it: otherwise that is tried with the message alone."""
        return type(self), (str(self), self.lost)


def broken(path: Path | str, place: str, what: str, lost: Lost = "file") -> BrokenInput:
    """Return the error for what cannot be read on, with its remedy."""
    return BrokenInput(
        f"{path}: {place}: {what}. Fetch the file again (delete it first if it is a download), or repair it", lost
    )


Handler = Callable[[BrokenInput], None]
"""Is told of each fault: raises it where the run is to stop, and otherwise returns."""


def stop(fault: BrokenInput) -> None:
    """Raise the fault."""
    raise fault


class Skipped:
    """Counts what is left out since it is broken, instead of stopping."""

    def __init__(self) -> None:
        self.documents = 0
        self.files = 0
        """Of a file that breaks off, the documents before that place are read; of sides that cannot be paired none."""
        self.examples: list[str] = []
        """What was wrong with the first of them, with file and place."""

    def __call__(self, fault: BrokenInput) -> None:
        """Count a document or a file."""
        if fault.lost == "file":
            self.files += 1
        else:
            self.documents += 1
        if len(self.examples) < EXAMPLES:
            self.examples.append(str(fault))


def handler(on_broken: OnBroken, skipped: Skipped) -> Handler:
    """Return what the setting names: `stop`, or `skip`, which counts."""
    return skipped if on_broken == "skip" else stop


def with_faults(items: Iterable[Item | BrokenInput]) -> Iterator[Item | BrokenInput]:
    """Yield the items, and as the last one the fault that ended them, if one did."""
    try:
        yield from items
    except BrokenInput as fault:
        yield fault
