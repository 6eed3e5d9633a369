"""No benchmark in a conversation that is trained on, and no answer that is measured in the corpus' training text."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from stages.ingest_instructions.conversation import Conversation
from stages.shared.duplicates.benchmark_files import hit
from stages.shared.duplicates.benchmark_index import BenchmarkIndex
from stages.shared.training_overlap import in_training_text


def answer_lines(found: Conversation) -> list[str]:
    """Return the lines of all answers, the worse one among them: it is trained on and measured too."""
    answers = [turn.content for turn in found.turns if turn.role == "assistant"]
    return _lines([*answers, found.rejected or ""])


def benchmark_hits(found: Conversation, benchmarks: BenchmarkIndex) -> list[dict[str, Any]]:
    """Return which lines of a conversation, also of its questions, hold something of which benchmark."""
    lines = _lines([*(turn.content for turn in found.turns), found.rejected or ""])
    return [hit(one.benchmark, one.entry, found.id, lines[one.line]) for one in benchmarks.hits(lines)]


def known_answers(conversations: Sequence[Conversation], corpus: Path, least_words: int) -> list[bool]:
    """Tell of each conversation whether an answer shares a sentence or 13 words in a row with the training text.

    A sentence of fewer than `least_words` words does not count.
    """
    lines = [answer_lines(found) for found in conversations]
    whose = np.repeat(np.arange(len(lines)), [len(part) for part in lines])
    flat = [line for part in lines for line in part]
    found = np.zeros(len(lines), bool)
    found[whose[in_training_text(flat, [(corpus / "train.parquet", "text")], least_words).shares]] = True
    return [bool(one) for one in found]


def _lines(texts: Sequence[str]) -> list[str]:
    return [line for text in texts for line in text.splitlines() if line]
