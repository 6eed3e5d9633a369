"""sample_held_out: some held-out text of one language, to be scored while a model is trained."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from pathlib import Path

from pipeline.stage import Execution, Metrics
from stages.sample_held_out.settings import SampleHeldOutSettings
from stages.shared.held_out_text import write_texts
from stages.shared.scoring.sample import Document, read_lines, take_first, take_sample
from stages.shared.text_table import read_rows

SPLIT = "validation"
"""The test split is for the evaluation after the training: no decision is made on it."""


def sample_held_out(
    settings: SampleHeldOutSettings, inputs: Mapping[str, Path], out: Path, execution: Execution
) -> Metrics:
    """Write texts.jsonl, a sample of the target language out of a `corpus` or of the source language out of a `bitext`.

    The file is empty where the validation split is: a small corpus may have put all into the others. Without an input
    it is lines of the target language in another domain, from the first on.
    """
    wanted, other = settings.text, settings.other_domain
    documents: Iterable[tuple[str, ...]]
    if other is not None:
        sample = take_first(read_lines(other.path, other.lines, other.first_line), wanted.bytes, wanted.document_bytes)
    else:
        if "bitext" in inputs:
            documents = joined(read_rows(inputs["bitext"] / f"{SPLIT}.parquet", ["group", "source_text"]))
        else:
            documents = read_rows(inputs["corpus"] / f"{SPLIT}.parquet", ["id", "text", "group"])
        sample = take_sample((Document(*row) for row in documents), wanted.bytes, wanted.document_bytes, wanted.seed)
    write_texts(out, [(document.id, document.text) for document in sample])
    return {"documents": len(sample), "bytes": sum(document.bytes for document in sample)}


def joined(rows: Iterable[tuple[str, ...]]) -> Iterator[tuple[str, str, str]]:
    """Yield the lines of each group as one document with its id, text and group, each line once.

    A pair is often a single message; only side by side, as in their page or catalogue, are they running text.
    """
    for group, lines in groupby(sorted(rows, key=lambda row: row[0]), key=lambda row: row[0]):
        yield group, "\n".join(dict.fromkeys(text for _, text in lines)), group
