"""Where the embedding of a token comes from: its source tokens, the aligned words behind them, its neighbours."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from stages.map_embeddings.token_lookup import find_tokens
from stages.shared.alignment_table import JOINER, NULL, join_tokens, read_table, split_unit
from stages.shared.model_folder import open_model
from stages.shared.readable_token import shown_token
from stages.shared.token_mapping import TokenMapping, read_mapping, strongest
from stages.shared.token_text import Vocabulary, load_vocabulary

BLOCK_ROWS = 8192
"""Rows compared at once: bounds the memory beside the table itself."""
NEIGHBOURS = 8


@dataclass(frozen=True)
class AlignedPair:
    """A pair of words that the aligner found, in letters that show."""

    source: str
    target: str
    expected_count: float
    pivot: str | None
    """Code of the language that the source word is in, None for the base model's own."""
    used: bool
    """False where the count is below the least that the mapping takes."""


@dataclass(frozen=True)
class Named:
    """A token in letters that show, with its weight or its cosine."""

    token: str
    id: int
    value: float


@dataclass(frozen=True)
class ExplainedToken:
    """What is known of one row of an initialized model."""

    token: str
    written: str
    id: int
    how: str
    sources: list[Named]
    """All of them, the heaviest first; empty where the row is the fallback's."""
    pairs: list[AlignedPair] | None
    """Aligned words of which the token is a part, the strongest first; None where the mapping uses no alignment."""
    near_new: list[Named]
    near_base: list[Named]


@dataclass(frozen=True)
class Explanation:
    """The tokens that were asked for, and the mapping that they are from."""

    mapping: TokenMapping
    tied: bool
    """The head is the input table."""
    vocabulary_size: int
    min_count: int
    """The least count of an aligned pair that the mapping takes."""
    tokens: list[ExplainedToken]


def explain(asked: str, folders: Mapping[str, Path], min_count: int = 0) -> Explanation:
    """Explain the tokens that `asked` names.

    `folders` has initialized_model, base_model, tokenizer, and where the mapping used them alignment and those of other
    pivots, `alignment_ru`. Raises UserError where no token is found.
    """
    target = load_vocabulary(folders["tokenizer"])
    rows = find_tokens(asked, target)
    source = load_vocabulary(folders["base_model"])
    mapping = read_mapping(folders["initialized_model"])
    tables = alignment_tables(folders)
    pairs = aligned_pairs(tables, rows, source, target, min_count) if tables else None
    new, base = open_model(folders["initialized_model"]), open_model(folders["base_model"])
    table = new.read(new.input_name)[: len(target)]
    near_new = nearest(table, table[rows], NEIGHBOURS, rows)
    near_base = nearest(base.read(base.input_name)[: len(source)], table[rows], NEIGHBOURS)
    tokens = [
        ExplainedToken(
            token=shown_token(target, row),
            written=target.tokens[row],
            id=row,
            how=mapping.how_made(row),
            sources=named(strongest(mapping.weights, row), source),
            pairs=None if pairs is None else pairs[row],
            near_new=named(near_new[place], target),
            near_base=named(near_base[place], source),
        )
        for place, row in enumerate(rows)
    ]
    return Explanation(mapping, new.head_name is None, len(target), min_count, tokens)


def named(found: Sequence[tuple[int, float]], vocabulary: Vocabulary) -> list[Named]:
    """Return tokens by the text that they stand for."""
    return [Named(shown_token(vocabulary, row), row, value) for row, value in found]


def alignment_tables(folders: Mapping[str, Path]) -> dict[str | None, Path]:
    """Return the table of each pivot language by its code, None for the base model's own; empty where there is none."""
    codes = {name: name.partition("_")[2] or None for name in sorted(folders) if name.partition("_")[0] == "alignment"}
    return {code: folders[name] / "table.tsv" for name, code in codes.items()}


def aligned_pairs(
    tables: Mapping[str | None, Path], rows: Sequence[int], source: Vocabulary, target: Vocabulary, min_count: int
) -> dict[int, list[AlignedPair]]:
    """Return for each token the lines of the tables whose target word holds it, the highest count first."""
    found: dict[int, list[AlignedPair]] = {row: [] for row in rows}
    # Most lines hold none of the tokens, and a search for the letters is far faster than splitting each word.
    letters = {row: (target.tokens[row], join_tokens([target.tokens[row]])) for row in rows}
    lines = ((pivot, pair) for pivot, path in tables.items() for pair in read_table(path, progress=False))
    for pivot, pair in lines:
        for row, (plain, escaped) in letters.items():
            if (plain not in pair.target and escaped not in pair.target) or NULL in (pair.source, pair.target):
                continue
            if target.tokens[row] in split_unit(pair.target, target.ids):
                words = unit_shown(pair.source, source), unit_shown(pair.target, target)
                used = int(pair.expected_count) >= min_count
                found[row].append(AlignedPair(*words, pair.expected_count, pivot, used))
    for pairs in found.values():
        pairs.sort(key=lambda pair: (-pair.expected_count, pair.source, pair.target, pair.pivot or ""))
    return found


def unit_shown(unit: str, vocabulary: Vocabulary) -> str:
    """Return a word in letters that show, its tokens apart: `▁vijf|tien`."""
    tokens = split_unit(unit, vocabulary.ids)
    if any(token not in vocabulary.ids for token in tokens):
        return unit.replace(JOINER, "|")
    rows = [vocabulary.ids[token] for token in tokens]
    return "|".join(shown_token(vocabulary, row) for row in rows)


def nearest(
    table: torch.Tensor, queries: torch.Tensor, number: int, own: Sequence[int] = ()
) -> list[list[tuple[int, float]]]:
    """Return for each query the rows of the table with the highest cosine, and the cosine.

    Shapes (tokens, hidden), (queries, hidden). `own` has the row of each query in this table, which is left out; equal
    cosines stand in the order of ids. A row of zeros has the cosine 0 with all.
    """
    wanted = torch.nn.functional.normalize(queries.to(torch.float32), dim=1)
    blocks = [
        torch.nn.functional.normalize(table[start : start + BLOCK_ROWS].to(torch.float32), dim=1) @ wanted.T
        for start in range(0, len(table), BLOCK_ROWS)
    ]
    cosines = torch.cat(blocks).numpy().T
    found = []
    for place, values in enumerate(cosines):
        order = np.argsort(-values, kind="stable")[: number + 1].tolist()
        others = [row for row in order if row not in own[place : place + 1]]
        found.append([(row, float(values[row])) for row in others[:number]])
    return found
