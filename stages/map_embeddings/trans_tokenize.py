"""Trans-Tokenization (Remy, Delobelle et al., COLM 2024, arXiv 2408.04303)."""

from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from time import perf_counter

import numpy as np
from scipy.sparse import csr_matrix

from stages.map_embeddings.initialization import (
    ALIGNED,
    COPIED,
    SMOOTHED,
    SPELLED,
    UNMAPPED,
    Initialization,
    MappingTask,
)
from stages.map_embeddings.methods import init_method
from stages.map_embeddings.same_text import copy_partners
from stages.map_embeddings.smoothing import smooth
from stages.map_embeddings.token_counts import added_counts, aligned_counts
from stages.shared.alignment_table import read_columns


@init_method(needs=("table",))
def trans_tokenize(task: MappingTask, *, min_count: int) -> Initialization:
    """Average the source rows that an aligner pairs each token with; what got no count borrows from its kin."""
    assert task.table is not None  # the registry has checked `needs`
    began = perf_counter()
    # Sums of counts: each language has as much to say on a token as it has evidence (the paper's early merge).
    tables = chain.from_iterable(map(read_columns, (task.table, *task.pivot_tables)))
    with ThreadPoolExecutor(1) as beside:  # the tokenizers, which it asks about numbers, leave Python free
        added = beside.submit(added_counts, task.source, task.target)
        aligned = aligned_counts(tables, task.source, task.target, min_count)
    counts = csr_matrix(aligned + added.result())
    counts.sort_indices()
    counts_made = perf_counter()
    weights, smoothed = smooth(counts, task.source, task.target)
    how = np.full(len(task.target), UNMAPPED, dtype=np.int8)
    how[smoothed] = SMOOTHED
    # A number that the source lacks has the count of the first token that spells it, which is no copy.
    equal, counted = copy_partners(task.source, task.target) >= 0, np.diff(counts.indptr) > 0
    how[counted] = np.where(equal, COPIED, SPELLED)[counted]
    how[np.diff(aligned.indptr) > 0] = ALIGNED
    return Initialization(
        weights=weights,
        fallback="unk" if "unk" in task.source.roles else "mean",
        how=how,
        counts=counts,
        seconds={"counts": counts_made - began, "smoothing": perf_counter() - counts_made},
    )
