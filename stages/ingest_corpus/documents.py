"""From a reader's documents to clean rows."""

from collections.abc import Iterable, Iterator

from stages.shared.cleaning import Cleaner
from stages.shared.deduplication import Seen
from stages.shared.documents import Document
from stages.shared.normalisation import normalise
from stages.shared.tally import Tally

Row = tuple[str, ...]


class CardTally:
    """Counts of one card: of its documents, and of the lines in them."""

    def __init__(self) -> None:
        self.documents = Tally()
        self.lines = Tally()

    def drop_document(self, lines: int, reason: str) -> None:
        """Count a document that goes, with the lines that were kept until now."""
        self.documents.drop(reason)
        for _ in range(lines):
            self.lines.drop_kept(reason)


class DocumentCleaner:
    """Cleans documents one after the other, and remembers what it has seen."""

    def __init__(self, cleaner: Cleaner) -> None:
        self.cleaner = cleaner
        self.settings = cleaner.settings
        self.lines_seen = Seen()
        self.documents_seen = Seen()

    def rows(self, card: str, documents: Iterable[Document], tally: CardTally) -> Iterator[Row]:
        """Yield id, group, card and text of each document that stays; text is its lines' target side."""
        for document in documents:
            lines = list(self._lines(document, tally.lines))
            reason = self._reason(lines)
            if reason:
                tally.drop_document(len(lines), reason)
                continue
            tally.documents.keep()
            yield document.id, document.group, card, "\n".join(lines)

    def _lines(self, document: Document, tally: Tally) -> Iterator[str]:
        for segment in document.segments:
            line = normalise(segment.target)
            reason = self.cleaner.line(line)
            if not reason and self.lines_seen.times(line) >= self.settings.line_repeats:
                reason = "boilerplate"
            if reason:
                tally.drop(reason)
            else:
                tally.keep()
                yield line

    def _reason(self, lines: list[str]) -> str | None:
        if not lines:
            return "empty"
        if sum(len(line.split()) for line in lines) < self.settings.document_words:
            return "short"
        if self.documents_seen.times("\n".join(lines)):
            return "duplicate"
        return self.cleaner.document(lines)
