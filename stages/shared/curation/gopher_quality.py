"""Gopher's quality rules: Rae et al. 2021, Scaling Language Models, section A1.1."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.shared.curation.batch import Batch, Mask, shares
from stages.shared.curation.characters import LETTER, WORDY
from stages.shared.curation.settings import GopherQualitySettings
from stages.shared.curation.verdict import Verdict
from stages.shared.text_settings import LanguageSettings

BULLETS = np.array([ord("•"), ord("-")], np.uint32)
ELLIPSIS, DOT = ord("…"), ord(".")


def gopher_quality(batch: Batch, settings: GopherQualitySettings, language: LanguageSettings) -> Verdict:
    """Drop documents whose words or lines are not like those of prose; the scores are what is compared.

    Where datatrove drops with `x > limit` or `x < limit`, so does this; its word is what stands between white space.
    """
    scores = measure(batch, settings.stop_words.get(language.code, ()))
    limits = {
        "words": (settings.min_words, settings.max_words),
        "mean_word_length": (settings.min_mean_word_length, settings.max_mean_word_length),
        "hash_ratio": (None, settings.max_hash_ratio),
        "ellipsis_ratio": (None, settings.max_ellipsis_ratio),
        "bullet_lines": (None, settings.max_bullet_lines),
        "ellipsis_lines": (None, settings.max_ellipsis_lines),
        "alphabetic_words": (settings.min_alphabetic_words, None),
        "stop_words": (settings.min_stop_words if "stop_words" in scores else None, None),
    }
    dropped: dict[str, Mask] = {}
    for name, (least, most) in limits.items():
        if least is not None:
            dropped[f"min_{name}"] = scores[name] < least
        if most is not None:
            dropped[f"max_{name}"] = scores[name] > most
    return Verdict(dropped=dropped, scores=scores)


def measure(batch: Batch, stop_words: tuple[str, ...]) -> dict[str, NDArray[Any]]:
    """Return the figures of each document; `stop_words` is not among them where the language has none."""
    words, counts = batch.words, batch.word_counts
    wordy = (batch.word_bits & WORDY) > 0
    real = batch.count(words.documents[wordy])
    found: dict[str, NDArray[Any]] = {
        "words": real,
        "mean_word_length": shares(batch.sums(words.documents[wordy], words.lengths[wordy]), real),
        "hash_ratio": shares(_occurrences(batch, "#"), counts),
        "ellipsis_ratio": shares(_occurrences(batch, "...") + _occurrences(batch, "…"), counts),
        "bullet_lines": shares(batch.count(batch.lines.documents[_bullets(batch)]), batch.line_counts),
        "ellipsis_lines": shares(batch.count(batch.lines.documents[ending_in_ellipsis(batch)]), batch.line_counts),
        "alphabetic_words": shares(batch.count(words.documents[(batch.word_bits & LETTER) > 0]), counts),
    }
    if stop_words:
        found["stop_words"] = _different(batch, stop_words)
    return found


def ending_in_ellipsis(batch: Batch) -> Mask:
    """Return which of the batch's lines end in `...` or `…`."""
    points, ends = batch.points, batch.lines.ends
    dots = (points[ends - 1] == DOT) & (batch.lines.lengths >= 3)
    dots[dots] = (points[ends[dots] - 2] == DOT) & (points[ends[dots] - 3] == DOT)
    found: Mask = dots | (points[ends - 1] == ELLIPSIS)
    return found


def _bullets(batch: Batch) -> Mask:
    return np.isin(batch.points[batch.lines.starts], BULLETS)


def _occurrences(batch: Batch, text: str) -> NDArray[np.int64]:
    return np.array([document.count(text) for document in batch.texts], np.int64)


def _different(batch: Batch, stop_words: tuple[str, ...]) -> NDArray[np.int64]:
    count = np.zeros(len(batch.texts), np.int64)
    for hashed in Batch(sorted(set(stop_words))).words.hashes:
        present = np.zeros(len(batch.texts), np.bool_)
        present[batch.words.documents[batch.words.hashes == hashed]] = True
        count += present
    return count
