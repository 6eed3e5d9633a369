"""A conversation, checked: who says what, and which answer is worse."""

import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import regex

from stages.shared.normalisation import normalise
from stages.shared.readers.broken import BrokenInput

ROLES = ("system", "user", "assistant")
INVISIBLE = regex.compile(r"[\p{Cs}\p{Co}\p{Cn}\ufffd\ufeff[\p{Cc}--[\n\t]]]", regex.VERSION1)


class Turn(NamedTuple):
    """What one side says."""

    role: str
    content: str


class Conversation(NamedTuple):
    """Turns from the first question to an answer, and for a preference a worse last answer."""

    id: str
    turns: tuple[Turn, ...]
    rejected: str | None

    @property
    def question(self) -> str:
        """The first question, by which conversations are split: without case and double spaces."""
        return normalise(next(turn.content for turn in self.turns if turn.role == "user")).casefold()


def clean(text: str) -> str:
    """Return a text in NFC without control characters and without spaces at the ends of lines; lines stay.

    >>> clean("a \\r\\n\\tb\\x00 ")
    'a\\n\\tb'
    """
    text = INVISIBLE.sub("", unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\r", "\n")))
    return "\n".join(line.rstrip() for line in text.split("\n")).strip()


def turns_of(messages: object, place: str) -> tuple[Turn, ...]:
    """Return the turns of a row's list of `{role, content}`; raise BrokenInput, with the place, for anything else."""
    if not isinstance(messages, list) or not messages:
        raise _fault(place, f"holds {type(messages).__name__}, not a list of turns; correct the data card's `columns`")
    turns = []
    for number, message in enumerate(messages, start=1):
        if not isinstance(message, Mapping) or not {"role", "content"} <= set(message):
            raise _fault(place, f"turn {number} is no {{role, content}}; correct the data card's `columns`")
        turns.append(Turn(str(message["role"]), text_of(message["content"], f"{place}: turn {number}")))
    return tuple(turns)


def text_of(value: Any, place: str) -> str:
    """Return a value that is text, cleaned; raise BrokenInput, with the place, for anything else."""
    if not isinstance(value, str):
        raise _fault(place, f"holds {type(value).__name__}, not text; correct the data card's `columns`")
    return clean(value)


def checked(turns: Iterable[Turn], place: str) -> tuple[Turn, ...]:
    """Return turns that are a conversation; one whose last question nobody answered is cut before it.

    Raises BrokenInput, with the place, where a role is unknown, or question and answer do not alternate.
    """
    turns = tuple(turns)
    spoken = [turn.role for turn in turns]
    unknown = sorted({role for role in spoken if role not in ROLES})
    if unknown:
        raise _fault(place, f"unknown role '{unknown[0]}'; allowed are {', '.join(ROLES)}: correct the row")
    while turns and turns[-1].role != "assistant":
        turns = turns[:-1]
    after_system = [turn.role for turn in turns if turn.role != "system" or turn is not turns[0]]
    if not after_system or after_system != ["user", "assistant"] * (len(after_system) // 2):
        raise _fault(
            place,
            f"its turns are {', '.join(spoken)}; user and assistant must alternate, after at most one system turn: "
            "correct the row",
        )
    return turns


def _fault(place: str, what: str) -> BrokenInput:
    return BrokenInput(f"{place}: {what}", "document")
