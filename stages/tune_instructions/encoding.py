"""Conversations as tokens, and which of them the loss is on: the answers, and what ends each."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from pipeline.errors import UserError
from stages.shared.tokenizer_conventions import special_tokens
from stages.tune_instructions.chat import render

IGNORED = -100


class Encoded(NamedTuple):
    """A conversation as tokens."""

    input_ids: list[int]
    labels: list[int]
    """The token where it is part of an answer, -100 elsewhere."""


class Pair(NamedTuple):
    """Two answers to the same turns, as tokens and as messages."""

    chosen: Encoded
    rejected: Encoded
    row: dict[str, Any]
    """`prompt`, `chosen` and `rejected` as trl takes them."""


def encode(tokenizer: Any, messages: Sequence[Mapping[str, str]], only_last: bool = False) -> Encoded:
    """Return a conversation's tokens; `only_last`: only the last answer has labels.

    Raises UserError where the template writes a turn differently once others follow, so that nobody can tell which
    tokens are answers.
    """
    text = render(tokenizer, messages)
    spans = answer_spans(tokenizer, messages, text)[-1 if only_last else 0 :]
    encoding = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    inside = [any(first <= start < last for first, last in spans) for start, _ in encoding["offset_mapping"]]
    ids: list[int] = encoding["input_ids"]
    return Encoded(ids, [token if answer else IGNORED for token, answer in zip(ids, inside, strict=True)])


def answer_spans(tokenizer: Any, messages: Sequence[Mapping[str, str]], text: str) -> list[tuple[int, int]]:
    """Return begin and end, in characters, of each answer with the marker that ends it."""
    spans = []
    for number, message in enumerate(messages):
        if message["role"] != "assistant":
            continue
        before = render(tokenizer, messages[:number], asked=True)
        until = render(tokenizer, messages[: number + 1]).rstrip()
        if not (until.startswith(before) and text.startswith(until)):
            raise UserError(
                f"the chat template writes turn {number + 1} of {len(messages)} differently when others follow, "
                "or when it asks for an answer, so that answers cannot be told from the rest; choose "
                "tuning.sft.chat_template=chatml"
            )
        spans.append((len(before), len(until)))
    return spans


def encode_rows(
    tokenizer: Any, rows: Iterable[Mapping[str, Any]], max_length: int, counts: Counter[str]
) -> list[Encoded]:
    """Return the conversations with answers within `max_length` tokens, cut there; `counts` takes what was lost."""
    kept, markers = [], special_tokens(tokenizer)
    for row in rows:
        counts["rows"] += 1
        if _has_marker(row, markers):
            counts["left_out_with_markers"] += 1
        elif (encoded := _cut(encode(tokenizer, row["messages"]), max_length, counts)) is not None:
            kept.append(encoded)
        else:
            counts["left_out_too_long"] += 1
    return kept


def encode_pairs(
    tokenizer: Any, rows: Iterable[Mapping[str, Any]], max_length: int, counts: Counter[str]
) -> list[Pair]:
    """Return the pairs both of whose answers begin within `max_length` tokens, cut there."""
    kept, markers = [], special_tokens(tokenizer)
    for row in rows:
        counts["rows"] += 1
        if _has_marker(row, markers):
            counts["left_out_with_markers"] += 1
            continue
        prompt, chosen = list(row["messages"][:-1]), row["messages"][-1]
        rejected = {"role": "assistant", "content": row["rejected"]}
        sides = [encode(tokenizer, [*prompt, answer], only_last=True) for answer in (chosen, rejected)]
        cut = [_cut(side, max_length, counts) for side in sides]
        if cut[0] is None or cut[1] is None:
            counts["left_out_too_long"] += 1
        else:
            kept.append(Pair(cut[0], cut[1], {"prompt": prompt, "chosen": [chosen], "rejected": [rejected]}))
    return kept


def _has_marker(row: Mapping[str, Any], markers: Sequence[str]) -> bool:
    """Tell whether a text holds a special token, which would be read as the end of a turn or the like."""
    texts = [*(message["content"] for message in row["messages"]), row.get("rejected") or ""]
    return any(marker in text for text in texts for marker in markers)


def _cut(encoded: Encoded, max_length: int, counts: Counter[str]) -> Encoded | None:
    """Return the first tokens; None where no answer is among them."""
    lost = len(encoded.input_ids) - max_length
    if lost > 0:
        counts["truncated"] += 1
        counts["tokens_cut"] += lost
        encoded = Encoded(encoded.input_ids[:max_length], encoded.labels[:max_length])
    return encoded if any(label != IGNORED for label in encoded.labels) else None
