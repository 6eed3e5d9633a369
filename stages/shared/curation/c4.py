"""C4's rules: Raffel et al. 2020, Exploring the Limits of Transfer Learning, section 2.2, and the code behind it."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stages.shared.curation.batch import Batch, Integers, Mask
from stages.shared.curation.characters import CLOSING, SENTENCE_MARK, SPACE
from stages.shared.curation.gopher_quality import ending_in_ellipsis
from stages.shared.curation.rewriting import without_lines
from stages.shared.curation.settings import C4Settings, with_english
from stages.shared.curation.verdict import Verdict
from stages.shared.text_settings import LanguageSettings

CITATION = re.compile(r"\[\d*\]|\[edit\]|\[citation needed\]")


class LineCheck(NamedTuple):
    """Lines that fail; the documents that they are in go too where it is fatal."""

    name: str
    lines: Mask
    fatal: bool = False


def c4(batch: Batch, settings: C4Settings, language: LanguageSettings) -> Verdict:
    """Drop lines that are not prose, and documents that are placeholders, code, or left with few sentences.

    Counts the lines dropped by check, as `lines_line_phrase`, and `citations`. A check judges only the lines that the
    ones before have left, as in datatrove; other than there, a citation is gone before words are counted.
    """
    texts, citations = _without_citations(batch.texts) if settings.remove_citations else ({}, 0)
    if texts:
        batch = Batch([texts.get(number, text) for number, text in enumerate(batch.texts)])
    gone = np.zeros(len(batch.lines.starts), np.bool_)
    counts, dropped = Counter(citations=citations), {}
    own_marks = settings.language_marks.get(language.code, ())
    for check in _checks(batch, settings, language.code):
        failing = check.lines & ~gone
        if check.fatal:
            dropped[check.name] = batch.count(batch.lines.documents[failing]) > 0
        else:
            counts[f"lines_{check.name}"] += int(failing.sum())
            gone |= failing
    sentences = batch.sums(batch.lines.documents[~gone], line_sentences(batch, own_marks)[~gone])
    dropped["no_line_left"] = batch.count(batch.lines.documents[~gone]) == 0
    dropped["min_sentences"] = sentences < settings.min_sentences
    return Verdict(dropped, texts | without_lines(batch, gone), {"sentences": sentences}, counts)


def line_sentences(batch: Batch, own_marks: Sequence[str]) -> Integers:
    """Return the sentences of each line: marks at the end of a word, and what stands behind the last one.

    `own_marks` are those of the language, beside the ones of all.
    """
    lines, bits = batch.lines, batch.bits
    marks = ((bits & SENTENCE_MARK) > 0) | np.isin(batch.points, _points(own_marks))
    marks[:-1] &= (bits[1:] & (SPACE | CLOSING)) > 0
    last = lines.ends - 1
    closed = marks[last] | ((bits[last] & CLOSING > 0) & marks[last - 1] & (lines.lengths > 1))
    return batch.within(marks, lines) + ~closed


def _checks(batch: Batch, settings: C4Settings, code: str) -> Iterator[LineCheck]:
    lines, words = batch.lines, batch.words
    if settings.max_word_length is not None:
        long = words.starts[words.lengths > settings.max_word_length]
        yield LineCheck("long_word", _mask(batch, batch.pieces_at(lines, long)))
    if settings.terminal_marks:
        marks = _points([*settings.terminal_marks, *settings.language_marks.get(code, ())])
        open_ended = ~np.isin(batch.points[lines.ends - 1], marks) | ending_in_ellipsis(batch)
        yield LineCheck("no_terminal_mark", open_ended)
    counts = np.searchsorted(words.starts, lines.ends) - np.searchsorted(words.starts, lines.starts)
    yield LineCheck("few_words", counts < settings.min_line_words)
    lowered = [text.lower() for text in batch.texts]
    yield LineCheck("document_phrase", _holding(batch, lowered, settings.document_phrases), fatal=True)
    yield LineCheck("line_phrase", _holding(batch, lowered, with_english(settings.line_phrases, code)))


def _holding(batch: Batch, lowered: Sequence[str], phrases: Iterable[str]) -> Mask:
    """Mark the lines with one of the phrases, in any case; most documents have none, and are passed over."""
    everything = "\n".join(lowered)
    wanted = [phrase for phrase in sorted({phrase.lower() for phrase in phrases}) if phrase in everything]
    found = np.zeros(len(batch.lines.starts), np.bool_)
    for document, text in enumerate(lowered if wanted else ()):
        if any(phrase in text for phrase in wanted):
            first, last = np.searchsorted(batch.lines.documents, [document, document + 1])
            parts = [line for line in text.split("\n") if line]
            found[first:last] = [any(phrase in line for phrase in wanted) for line in parts]
    return found


def _points(marks: Sequence[str]) -> NDArray[np.uint32]:
    return np.array([ord(mark) for mark in marks], np.uint32)


def _mask(batch: Batch, numbers: Integers) -> Mask:
    mask = np.zeros(len(batch.lines.starts), np.bool_)
    mask[numbers] = True
    return mask


def _without_citations(texts: list[str]) -> tuple[dict[int, str], int]:
    changed, citations = {}, 0
    for number, text in enumerate(texts):
        if "[" in text:
            new, count = CITATION.subn("", text)
            if count:
                changed[number] = "\n".join(line for part in new.split("\n") if (line := " ".join(part.split())))
                citations += count
    return changed, citations
