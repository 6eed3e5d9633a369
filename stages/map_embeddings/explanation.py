"""Where the embedding of a token comes from: its source tokens, the aligned words behind them, its neighbours."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from stages.map_embeddings.initialization import ALIGNED, HOW, SMOOTHED
from stages.map_embeddings.subtoken_mean import spell
from stages.map_embeddings.token_lookup import find_tokens
from stages.shared.alignment_table import JOINER, NULL, join_tokens, read_table, split_unit
from stages.shared.model_folder import ModelFolder, open_model
from stages.shared.readable_token import shown_token
from stages.shared.token_mapping import NOT_RECORDED, TokenMapping, read_mapping, strongest
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
    """False where the count is below the least that the mapping takes, and where the row is not made of such words."""


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
    leaning: float
    """Share of a row of aligned words that is the mean of the tokens which spell it instead; 0 for other rows."""
    moved: float | None
    """Length of what was added to the row that predicts after the mapping, as a share of the length of its sources'
    mean; None where there was nothing to add or where there are no sources."""
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
    biased: bool
    """The head has a bias for each token, an encoder's, which is what calibration moves."""
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
    lengths = moved(mapping, new, base, rows)
    tokens = [
        ExplainedToken(
            token=shown_token(target, row),
            written=target.tokens[row],
            id=row,
            how=mapping.how_made(row),
            sources=named(strongest(mapping.weights, row), source),
            leaning=leaning(mapping, row, source, target),
            moved=lengths[place],
            pairs=None if pairs is None else used_by(mapping.how_made(row), pairs[row]),
            near_new=named(near_new[place], target),
            near_base=named(near_base[place], source),
        )
        for place, row in enumerate(rows)
    ]
    return Explanation(mapping, new.head_name is None, bool(new.bias_names), len(target), min_count, tokens)


def named(found: Sequence[tuple[int, float]], vocabulary: Vocabulary) -> list[Named]:
    """Return tokens by the text that they stand for."""
    return [Named(shown_token(vocabulary, row), row, value) for row, value in found]


def leaning(mapping: TokenMapping, row: int, source: Vocabulary, target: Vocabulary) -> float:
    """Return the share of a row that was taken from its spelling and not from aligned words."""
    of_words = mapping.how_made(row) in (HOW[ALIGNED], HOW[SMOOTHED])
    return mapping.prior_share or 0.0 if of_words and spell(target.text[row], source) else 0.0


def moved(mapping: TokenMapping, new: ModelFolder, base: ModelFolder, rows: Sequence[int]) -> list[float | None]:
    """Return how far each row that predicts was moved after the mapping, a share of the length of its sources' mean."""
    if not (mapping.calibrated or mapping.warmed_up):
        return [None] * len(rows)
    after, before = (folder.read(folder.head_name or folder.input_name) for folder in (new, base))
    found: list[float | None] = []
    for row in rows:
        sources = strongest(mapping.weights, row)
        shares = torch.tensor([share for _, share in sources])
        mean = shares @ before[[column for column, _ in sources]].to(torch.float32)
        length = float(mean.norm())
        found.append(float((after[row].to(torch.float32) - mean).norm()) / length if length else None)
    return found


def used_by(how: str, pairs: Sequence[AlignedPair]) -> list[AlignedPair]:
    """Return the pairs of a row, none of them used where it was made from something else."""
    return [replace(pair, used=pair.used and how in (HOW[ALIGNED], NOT_RECORDED)) for pair in pairs]


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
