"""mix_tokens: the packed text of two languages as one, so that the base model's language is not forgotten."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.stage import Execution, Metrics
from stages.mix_tokens.interleave import interleave
from stages.mix_tokens.settings import MixTokensSettings
from stages.shared.artifact import write_json
from stages.shared.token_shard import TokenShard, read_tokens

REPLAYED = "train_replayed.npy"
VALIDATION = ("validation.bin", "validation_starts.npy", "validation_rows.npy")
SUMMED = ("tokens", "bytes", "words", "documents")


def mix_tokens(settings: MixTokensSettings, inputs: Mapping[str, Path], out: Path, execution: Execution) -> Metrics:
    """Write the documents of the inputs `tokens` and `replay` in turns, as packed_tokens has them.

    train_replayed.npy tells which documents are replayed, train_rows.npy their rows in their own corpus. With the input
    `match`, the mixture of the same documents in another tokenizer's tokens, they take turns as there. The held-out
    text is that of `tokens` alone.
    """
    texts = [read_tokens(inputs[name], "train") for name in ("tokens", "replay")]
    lengths = [document_lengths(text) for text in texts]
    replayed = (
        np.load(inputs["match"] / REPLAYED) if "match" in inputs else interleave(lengths[0], lengths[1], settings.share)
    )
    order = np.empty(len(replayed), dtype=np.int64)  # number of each document in its own text
    for which in (False, True):
        order[replayed == which] = np.arange(np.count_nonzero(replayed == which))
    write_documents(texts, replayed, order, out / "train.bin")
    counts = np.where(replayed, lengths[1][order * replayed], lengths[0][order * ~replayed])
    rows = [np.load(inputs[name] / "train_rows.npy") for name in ("tokens", "replay")]
    np.save(out / "train_starts.npy", np.cumsum(counts) - counts)
    np.save(out / "train_rows.npy", np.where(replayed, rows[1][order * replayed], rows[0][order * ~replayed]))
    np.save(out / REPLAYED, replayed)
    for name in VALIDATION:
        shutil.copyfile(inputs["tokens"] / name, out / name)
    meta = mixed_meta(texts[0].meta, texts[1].meta)
    write_json(out / "tokens.json", meta)
    return {**{name: meta[name] for name in SUMMED}, "replay": meta["replay"]}


def document_lengths(text: TokenShard) -> np.ndarray:
    """Return the tokens of each document, int64."""
    return np.diff(text.starts, append=len(text.tokens))


def write_documents(texts: list[TokenShard], replayed: np.ndarray, order: np.ndarray, path: Path) -> None:
    """Write the documents one after the other; each is read from where its own text was packed."""
    with path.open("wb") as file:
        for which, number in zip(replayed.astype(int).tolist(), order.tolist(), strict=True):
            file.write(texts[which].document(number).tobytes())


def mixed_meta(meta: Mapping[str, Any], replay: Mapping[str, Any]) -> dict[str, Any]:
    """Return tokens.json: figures of both texts together, and under `replay` those of the replayed one."""
    total = {name: meta[name] + replay[name] for name in SUMMED}
    of_replay = {name: replay[name] for name in (*SUMMED, "epochs")}
    return {**meta, **total, "replay": {**of_replay, "share": round(replay["tokens"] / total["tokens"], 4)}}
