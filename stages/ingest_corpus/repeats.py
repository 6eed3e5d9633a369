"""What was there before, over all curated shards: documents, near duplicates, lines."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from tqdm import tqdm

from stages.ingest_corpus import curated
from stages.shared.duplicates.clusters import SignatureFiles, near_duplicates
from stages.shared.duplicates.minhash import NO_BAND
from stages.shared.duplicates.occurrences import later_occurrences, shard_file
from stages.shared.duplicates.settings import DuplicateSettings
from stages.shared.duplicates.text_hashes import save_array
from stages.shared.text_table import read_rows

EXCERPT_CHARACTERS = 300
CLUSTERS = "clusters.json"


class RepeatsTask(NamedTuple):
    """All curated shards, in order, and what is looked for in them."""

    shards: Sequence[Path]
    settings: DuplicateSettings


class Repeats(NamedTuple):
    """What of one shard was there before: positions in kept.parquet, and lines of its documents put end to end."""

    documents: np.ndarray
    """Copies, ascending."""
    near: np.ndarray
    """Near duplicates that are no copies, ascending."""
    lines: np.ndarray
    """Counted within the documents that stay, ascending."""


def find_repeats(task: RepeatsTask, out: Path) -> None:
    """Write for each shard what of it was there before, and clusters.json: what near duplicates there are.

    Lines are counted in the documents that stay only: a page that is there six times does not make its lines
    boilerplate. Memory: see `near_duplicates` and `later_occurrences`.
    """
    (shards, settings), clusters = task, dict[str, Any]()
    with tqdm(total=3, desc="duplicates", unit=" kinds") as bar:
        if settings.documents:
            later_occurrences([shard / curated.DOCUMENTS for shard in shards], 1, out / "documents")
        bar.update()
        if settings.near is not None:
            found = near_duplicates(_signatures_that_stay(shards, out), settings.near, out / "near")
            clusters = found | {"largest": [_shown(shards, place) for place in found["largest"]]}
        bar.update()
        if settings.line_repeats is not None:
            staying = _lines_that_stay(shards, out)
            later_occurrences(staying, settings.line_repeats, out / "lines")
        bar.update()
    (out / CLUSTERS).write_text(json.dumps(clusters, ensure_ascii=False), encoding="utf-8")


def read_repeats(out: Path, number: int) -> Repeats:
    """Return what was found for one shard; nothing for kinds that were not looked for."""
    documents, near, lines = (
        np.load(out / kind / shard_file(number)) if (out / kind).is_dir() else np.empty(0, np.int64)
        for kind in ("documents", "near", "lines")
    )
    return Repeats(documents, near[0] if near.ndim == 2 else near, lines)


def _signatures_that_stay(shards: Sequence[Path], out: Path) -> list[SignatureFiles]:
    """Return the signatures with those of copies blotted out: a text that is there often would be one huge group."""
    folder = out / "bands"
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for number, shard in enumerate(shards):
        found, copies = curated.signature_files(shard), read_repeats(out, number).documents
        if len(copies):
            bands = np.load(found.bands)
            bands[:, copies] = NO_BAND
            found = found._replace(bands=folder / shard_file(number))
            save_array(found.bands, bands)
        files.append(found)
    return files


def _lines_that_stay(shards: Sequence[Path], out: Path) -> list[Path]:
    folder = out / "staying"
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for number, shard in enumerate(shards):
        lengths = np.load(shard / curated.LENGTHS)
        stays = np.ones(len(lengths), bool)
        found = read_repeats(out, number)
        stays[found.documents] = stays[found.near] = False
        paths.append(folder / shard_file(number))
        save_array(paths[-1], np.load(shard / curated.LINES)[np.repeat(stays, lengths)])
    return paths


def _shown(shards: Sequence[Path], place: dict[str, int]) -> dict[str, Any]:
    """Return the size of a cluster and the document that stays of it."""
    rows = read_rows(shards[place["shard"]] / curated.KEPT, ["id", "text"])
    name, text = next(row for position, row in enumerate(rows) if position == place["position"])
    return {"documents": place["documents"], "id": name, "excerpt": text[:EXCERPT_CHARACTERS]}
