"""Gopher's repetition rules: Rae et al. 2021, Scaling Language Models, table A1."""

import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.shared.curation.batch import Batch, shares
from stages.shared.curation.hashing import combine, mix
from stages.shared.curation.repeated_ngrams import Repeated, counted_once, repeated_ngrams
from stages.shared.curation.settings import GopherRepetitionSettings
from stages.shared.curation.verdict import Verdict
from stages.shared.text_settings import LanguageSettings

Figures = dict[str, NDArray[Any]]
PARAGRAPH = re.compile(r"\n{2,}")


def gopher_repetition(batch: Batch, settings: GopherRepetitionSettings, language: LanguageSettings) -> Verdict:
    """Drop documents that repeat themselves; the scores are the shares that are compared."""
    limits = {
        "duplicate_paragraphs": settings.max_duplicate_paragraphs,
        "duplicate_paragraph_characters": settings.max_duplicate_paragraph_characters,
        "duplicate_lines": settings.max_duplicate_lines,
        "duplicate_line_characters": settings.max_duplicate_line_characters,
    }
    limits |= {f"top_{n}_gram": limit for n, limit in sorted(settings.max_top_ngram.items())}
    limits |= {f"duplicate_{n}_grams": limit for n, limit in sorted(settings.max_duplicate_ngrams.items())}
    scores = paragraph_figures(batch) | line_figures(batch) | ngram_figures(batch, settings)
    dropped = {f"max_{name}": scores[name] > limit for name, limit in limits.items() if limit is not None}
    return Verdict(dropped=dropped, scores=scores)


def paragraph_figures(batch: Batch) -> Figures:
    """Return the shares of paragraphs, between empty lines, that were there before."""
    elements, characters = np.zeros((2, len(batch.texts)))
    for number, text in enumerate(batch.texts):
        if "\n\n" in text:  # never in normalised text
            paragraphs = PARAGRAPH.split(text.strip())
            once = dict.fromkeys(paragraphs)
            elements[number] = 1 - len(once) / len(paragraphs)
            characters[number] = (sum(map(len, paragraphs)) - sum(map(len, once))) / len(text)
    return {"duplicate_paragraphs": elements, "duplicate_paragraph_characters": characters}


def line_figures(batch: Batch) -> Figures:
    """Return the shares of lines that were there before."""
    lines = batch.lines
    keys = combine(lines.hashes, mix(lines.documents.astype(np.uint64)))
    again = np.ones(len(keys), np.bool_)
    again[np.unique(keys, return_index=True)[1]] = False
    documents, characters = lines.documents[again], lines.lengths[again]
    return {
        "duplicate_lines": shares(batch.count(documents), batch.line_counts),
        "duplicate_line_characters": shares(batch.sums(documents, characters), batch.lengths),
    }


def ngram_figures(batch: Batch, settings: GopherRepetitionSettings) -> Figures:
    """Return the shares of characters in the most frequent n-gram and in n-grams that were there before."""
    before = np.concatenate([[0], np.cumsum(batch.words.lengths)])
    figures: Figures = {}
    sizes = [*settings.max_top_ngram, *settings.max_duplicate_ngrams]
    for repeated in repeated_ngrams(batch, max(sizes, default=1)):
        if repeated.n in settings.max_top_ngram:
            figures[f"top_{repeated.n}_gram"] = _top_characters(batch, repeated, before) / np.maximum(batch.lengths, 1)
        if repeated.n in settings.max_duplicate_ngrams:
            counted = counted_once(repeated)
            characters = before[counted + repeated.n] - before[counted]
            sums = batch.sums(batch.words.documents[counted], characters)
            figures[f"duplicate_{repeated.n}_grams"] = shares(sums, batch.lengths)
    return figures


def _top_characters(batch: Batch, repeated: Repeated, before: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return occurrences x length, spaces included, of each document's most frequent n-gram, of several the first one.

    Where nothing is repeated, that is the document's first n-gram.
    """
    n, documents = repeated.n, batch.words.documents
    heads = np.searchsorted(documents, np.arange(len(batch.texts)))
    heads = heads[batch.word_counts >= n]
    counts = np.bincount(repeated.groups)
    first = np.full(len(counts), len(documents), np.int64)
    np.minimum.at(first, repeated.groups, repeated.words)
    words, times = np.concatenate([first, heads]), np.concatenate([counts, np.ones(len(heads), np.int64)])
    order = np.lexsort((words, -times, documents[words]))
    chosen = order[np.unique(documents[words[order]], return_index=True)[1]]
    top = np.zeros(len(batch.texts))
    begin = words[chosen]
    top[documents[begin]] = times[chosen] * (before[begin + n] - before[begin] + n - 1)
    return top
