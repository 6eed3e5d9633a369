"""How far rows lean on a prior: as far as the untrained model predicts the training text best with it.

Aligned words are good evidence where there is much bitext, and poor where there is little: with 62,963 pairs they beat
the mean of the source tokens that spell a token by far, with 5,660 they lose to it by as much (docs/experiments.md).
"""

from dataclasses import replace

import numpy as np
import torch
from scipy.sparse import csr_matrix, diags

from stages.map_embeddings.initialization import COPIED, Initialization
from stages.map_embeddings.settings import UnigramCalibration
from stages.map_embeddings.tables import TableMaker
from stages.map_embeddings.untrained_reading import UntrainedReading


def leaning(mapped: Initialization, share: float) -> Initialization:
    """Return a convex mapping whose rows are `share` parts of 1 those of its prior.

    Copied rows stay copies; a row that one of the two lacks is that of the other.
    """
    prior = mapped.prior
    if prior is None:
        return mapped
    has = [np.diff(weights.indptr) > 0 for weights in (mapped.weights, prior.weights)]
    parts = np.where(has[0] & has[1], share, has[1].astype(np.float64))
    parts[mapped.how == COPIED] = 0.0
    weights = csr_matrix(diags(1 - parts) @ mapped.weights + diags(parts) @ prior.weights)
    weights.eliminate_zeros()
    weights.sort_indices()
    how = np.where(parts == 1, prior.how, mapped.how).astype(np.int8)
    return replace(mapped, weights=weights, how=how)


def lean(
    mapped: Initialization, maker: TableMaker, reading: UntrainedReading, settings: UnigramCalibration
) -> tuple[Initialization, dict[str, torch.Tensor], dict[str, float]]:
    """Return the mapping with the best of the settings' shares, its tables, and figures: the loss with each share.

    A mapping without a prior stays as it is, and has no figures.
    """
    shares = settings.prior_shares
    if mapped.prior is None:
        return mapped, maker.make(mapped), {}
    if len(shares) == 1:
        chosen = leaning(mapped, shares[0])
        return chosen, maker.make(chosen), {"share": shares[0]}
    losses = {share: reading.loss(maker.make(leaning(mapped, share))) for share in shares}
    best = min(losses, key=lambda share: (losses[share], share))
    chosen = leaning(mapped, best)
    return chosen, maker.make(chosen), {"share": best, **{f"loss_{share:g}": loss for share, loss in losses.items()}}
