"""What became of a corpus' documents, for the terminal."""

from collections.abc import Mapping
from typing import Any

from rich.table import Table

SHOWN = 3


def corpus_table(found: Mapping[str, Any]) -> Table:
    """Return a row for each source of corpus.json, with its most frequent reasons to drop a document."""
    table = Table("source", "licence", "documents", "kept", "dropped for", "words", "MB")
    for column in (table.columns[2], table.columns[3], table.columns[5], table.columns[6]):
        column.justify = "right"
    for source in found["sources"]:
        reasons = sorted(source["dropped"].items(), key=lambda pair: (-pair[1], pair[0]))
        told = ", ".join(f"{reason} {count:,}" for reason, count in reasons[:SHOWN])
        counts = (f"{source['input_documents']:,}", f"{source['kept']:,}", told)
        table.add_row(
            source["name"], source["licence"], *counts, f"{source['words']:,}", f"{source['bytes'] / 1e6:.2f}"
        )
    return table
