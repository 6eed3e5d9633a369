"""Training text without held-out sentences."""

from collections.abc import Iterable, Iterator, Mapping

from stages.ingest_corpus.documents import CardTally, Row
from stages.shared.overlap import SentenceIndex


def without_overlap(
    rows: Iterable[Row], index: SentenceIndex, tallies: Mapping[str, CardTally], document_words: int
) -> Iterator[Row]:
    """Yield the rows without the lines that the index holds; a document with too few words left goes whole."""
    for name, group, card, text in rows:
        lines = text.split("\n")
        kept = [line for line in lines if not index.overlaps(line)]
        enough = kept and sum(len(line.split()) for line in kept) >= document_words
        for _ in range(len(lines) - (len(kept) if enough else 0)):
            tallies[card].lines.drop_kept("overlap")
        if enough:
            yield name, group, card, "\n".join(kept)
        else:
            tallies[card].documents.drop_kept("overlap")
