"""From a reader's documents to clean pairs."""

from collections.abc import Iterable, Iterator, Sequence

from stages.ingest_bitext.settings import BitextSettings
from stages.shared.cleaning import Cleaner
from stages.shared.deduplication import Seen
from stages.shared.documents import Document, Segment
from stages.shared.language_identification import LanguageJudge, letters
from stages.shared.normalisation import normalise
from stages.shared.tally import Tally
from stages.shared.words import comparable

Row = tuple[str, ...]
# Two short sides may well differ in length by more than any ratio: "OK" and "In orde".
RATIO_CHARACTERS = 40


class PairCleaner:
    """Cleans pairs one after the other, and remembers what it has seen."""

    def __init__(self, cleaner: Cleaner, settings: BitextSettings, source_code: str) -> None:
        self.cleaner = cleaner
        cleaning = cleaner.settings
        self.source_judge = LanguageJudge(source_code, cleaning.language_threshold, cleaning.language_letters)
        self.settings = settings
        self.seen = Seen()

    def rows(self, card: str, documents: Iterable[Document], tally: Tally) -> Iterator[Row]:
        """Yield id, group, card, source and target text of each pair that stays."""
        for document in documents:
            pairs = []
            for number, segment in enumerate(document.segments):
                pair = Segment(normalise(segment.source), normalise(segment.target))
                reason = self._reason(pair)
                if reason:
                    tally.drop(reason)
                else:
                    pairs.append((f"{document.id}/{number}", pair))
            reason = self._document_reason([pair for _, pair in pairs])
            for name, pair in pairs:
                repeated = "duplicate" if self.seen.times(*pair) else None
                if reason or repeated:
                    tally.drop(reason or repeated or "")
                else:
                    tally.keep()
                    yield name, document.group, card, pair.source, pair.target

    def _document_reason(self, pairs: Sequence[Segment]) -> str | None:
        """Judge each side of a document by all its lines together."""
        reason = self.cleaner.document([pair.target for pair in pairs])
        if reason is None and self.settings.source_language:
            other = self.source_judge.other(" ".join(pair.source for pair in pairs))
            reason = "source_language" if other else None
        return reason

    def _reason(self, pair: Segment) -> str | None:
        reason = self.cleaner.line(pair.target)
        if reason or not letters(pair.source):
            return reason or "no_letters"
        source = comparable(pair.source)
        if source == comparable(pair.target) and len(source.split()) >= self.settings.untranslated_words:
            return "untranslated"
        short, long = sorted(map(len, pair))
        if long > RATIO_CHARACTERS and long / short > self.settings.length_ratio:
            return "length_ratio"
        return None
