"""Near duplicates made from real documents by known edits, and how well they are found again."""

import random
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_matrix

from stages.shared.duplicates.clusters import SignatureFiles, near_duplicates
from stages.shared.duplicates.minhash import signatures
from stages.shared.duplicates.occurrences import shard_file
from stages.shared.duplicates.settings import MinHashSettings
from stages.shared.words import words

GRAM_WORDS = 5
DISTINCT = 0.66
"""Originals have at most this Jaccard similarity of 5-grams to each other, so that templates are among them."""
DUPLICATE = 0.85
"""And an edited document has at least this to its original: well over the threshold."""
SHARDS = 4
FOREIGN = "Deze zin stond er eerst niet bij, maar nu wel."


class Found(NamedTuple):
    recall: float
    precision: float
    edited: int
    recall_by_edit: dict[str, float]
    most_similar_originals: float


def case_and_punctuation(text: str, generator: random.Random) -> str:
    changed = [word.upper() if generator.random() < 0.3 else word.title() for word in text.split(" ")]
    return " - ".join(changed).replace(",", ";").replace(".", " !")


def words_replaced(text: str, generator: random.Random) -> str:
    """Replace one word of a hundred, at least one."""
    parts = text.split(" ")
    for place in generator.sample(range(len(parts)), max(1, len(parts) // 100)):
        parts[place] = generator.choice(["gewijzigd", "anders", "nieuw"])
    return " ".join(parts)


def line_dropped(text: str, generator: random.Random) -> str:
    """Leave out a line with at most a twentieth of the words, else the first two words."""
    lines = text.split("\n")
    short = [place for place, line in enumerate(lines) if 2 <= len(words(line)) <= len(words(text)) / 20]
    if not short:
        return " ".join(text.split(" ")[2:])
    del lines[generator.choice(short)]
    return "\n".join(lines)


def sentence_added(text: str, generator: random.Random) -> str:
    lines = text.split("\n")
    lines.insert(generator.randrange(len(lines) + 1), FOREIGN)
    return "\n".join(lines)


def header_and_footer(text: str, generator: random.Random) -> str:
    return f"Start | Zoeken | Menu | {generator.randrange(1000)}\n{text}\nLees meer · Deel dit · © 2026 Voorbeeld"


Edits = Sequence[Callable[[str, random.Random], str]]
EDITS: Edits = (
    case_and_punctuation,
    words_replaced,
    line_dropped,
    sentence_added,
    header_and_footer,
)


def grams(text: str) -> set[tuple[str, ...]]:
    found = words(text)
    return {tuple(found[place : place + GRAM_WORDS]) for place in range(len(found) - GRAM_WORDS + 1)}


def jaccard(first: str, second: str) -> float:
    one, other = grams(first), grams(second)
    return len(one & other) / len(one | other)


def similarities(texts: Sequence[str]) -> np.ndarray:
    """Return the exact Jaccard similarity of each two texts, 0 for a text with itself."""
    numbers: dict[tuple[str, ...], int] = {}
    rows = [[numbers.setdefault(gram, len(numbers)) for gram in sorted(grams(text))] for text in texts]
    ends = np.cumsum([0, *map(len, rows)])
    places = np.concatenate([np.array(row, np.int64) for row in rows])
    table = csr_matrix((np.ones(len(places), np.int32), places, ends), (len(texts), len(numbers)))
    shared = (table @ table.T).toarray()
    sizes = shared.diagonal()
    found = shared / np.maximum(sizes[:, None] + sizes - shared, 1)
    np.fill_diagonal(found, 0)
    return found


def distinct(texts: Sequence[str]) -> tuple[list[str], float]:
    """Return the texts that are similar to none before them, and the greatest similarity that is left."""
    found = similarities(texts)
    kept: list[int] = []
    for number in range(len(texts)):
        if not kept or found[number, kept].max() <= DISTINCT:
            kept.append(number)
    return [texts[number] for number in kept], float(found[np.ix_(kept, kept)].max())


def measure(documents: Sequence[str], edits: Edits, settings: MinHashSettings, folder: Path) -> Found:
    """Mix originals and their edits over shards, and count which edits go, and with which original.

    An edit is found if its cluster's first document is its original or an edit of that; what else goes is wrong.
    """
    originals, most = distinct(documents)
    generator = random.Random(1)
    made = [(number, "original", text) for number, text in enumerate(originals)]
    for number, text in enumerate(originals):
        for edit in edits:
            edited = edit(text, generator)
            if jaccard(text, edited) >= DUPLICATE:
                made.append((number, edit.__name__, edited))
    generator.shuffle(made)
    files = [SignatureFiles(folder / f"{n}.bands.npy", folder / f"{n}.rows.npy") for n in range(SHARDS)]
    shards = [made[number * len(made) // SHARDS : (number + 1) * len(made) // SHARDS] for number in range(SHARDS)]
    for file, shard in zip(files, shards, strict=True):
        file.save(signatures([text for *_, text in shard], settings))
    near_duplicates(files, settings, folder / "out", at_once=1000)
    return score(made, dropped_documents(folder / "out", list(map(len, shards))), most)


def dropped_documents(out: Path, lengths: Sequence[int]) -> dict[int, int]:
    """Return the number over all shards of each document that goes and of the first one of its cluster."""
    dropped, begin = {}, 0
    for number, length in enumerate(lengths):
        positions, first = np.load(out / shard_file(number))
        dropped |= dict(zip((positions + begin).tolist(), first.tolist(), strict=True))
        begin += length
    return dropped


def score(made: Sequence[tuple[int, str, str]], dropped: Mapping[int, int], most: float) -> Found:
    """Compare with the truth: of each original and its edits all but the first are to go."""
    numbers = [number for number, *_ in made]
    later = sorted(set(range(len(made))) - {numbers.index(number) for number in set(numbers)})
    right = {place for place, first in dropped.items() if made[place][0] == made[first][0]}
    kinds = sorted({made[place][1] for place in later})
    of_kind = {kind: [place in right for place in later if made[place][1] == kind] for kind in kinds}
    return Found(
        recall=sum(place in right for place in later) / len(later),
        precision=len(right) / len(dropped),
        edited=sum(kind != "original" for _, kind, _ in made),
        recall_by_edit={kind: sum(hits) / len(hits) for kind, hits in of_kind.items()},
        most_similar_originals=most,
    )
