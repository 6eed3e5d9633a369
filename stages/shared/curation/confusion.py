"""How well lid.176 keeps languages apart, on lines whose language is known."""

from collections import Counter
from collections.abc import Iterable, Mapping

from stages.shared.curation.language import identify
from stages.shared.language_identification import letters

UNSURE = "unsure"
Table = dict[str, Counter[str]]
"""By the true language, how many texts were taken for which; `unsure` are those below the certainty."""


def confusion_table(texts: Mapping[str, Iterable[str]], min_letters: int, certainty: float) -> Table:
    """Return what the texts of each language are taken for; those with fewer letters are left out.

    A text that is taken for its own language counts so at any probability, as in the rule `language`.
    """
    table: Table = {}
    for code, of_language in texts.items():
        counts = table[code] = Counter()
        for text in of_language:
            if letters(text) >= min_letters:
                guess = identify(text)
                sure = guess.code == code or guess.probability >= certainty
                counts[guess.code if sure else UNSURE] += 1
    return table


def as_markdown(table: Table) -> str:
    """Return the table as percentages: a row a language, a column what it was taken for, the rare ones together."""
    columns = [*table, UNSURE]
    head = ["", *columns, "other", "texts"]
    rows = [head, ["---"] * len(head)]
    for code, counts in table.items():
        total = max(counts.total(), 1)
        shown = [counts[column] / total for column in columns]
        rows.append([code, *(f"{share:.1%}" for share in (*shown, 1 - sum(shown))), f"{counts.total():,}"])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)
