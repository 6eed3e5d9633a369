"""Our default: aligned words where there are words, copies where there are none, and spelling as the prior."""

from dataclasses import replace

import numpy as np
from scipy.sparse import csr_matrix, diags

from stages.map_embeddings.initialization import COPIED, Initialization, MappingTask
from stages.map_embeddings.methods import init_method
from stages.map_embeddings.same_text import copy_partners
from stages.map_embeddings.shared_tokens import wordless
from stages.map_embeddings.subtoken_mean import subtoken_mean
from stages.map_embeddings.trans_tokenize import trans_tokenize


@init_method(needs=("table",))
def aligned(task: MappingTask, *, min_count: int) -> Initialization:
    """Take trans_tokenize's weights, and copy special tokens and tokens without a letter where the source has them.

    An aligner pairs numbers and punctuation with what stands beside their translation; equal ones need none. The prior
    is the mean of the source tokens that spell a token; how far rows lean on it, the calibration decides.
    """
    found = trans_tokenize(task, min_count=min_count)
    partner = copy_partners(task.source, task.target)
    copied = (partner >= 0) & (task.target.special | wordless(task.target))
    rows = np.flatnonzero(copied)
    copies = csr_matrix((np.ones(len(rows)), (rows, partner[rows])), shape=found.weights.shape)
    weights = csr_matrix(diags((~copied).astype(np.float64)) @ found.weights)
    weights.eliminate_zeros()
    how = np.where(copied, COPIED, found.how).astype(np.int8)
    return replace(found, weights=csr_matrix(weights + copies), how=how, prior=subtoken_mean(task))
