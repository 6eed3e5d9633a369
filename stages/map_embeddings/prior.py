"""How far rows lean on a prior: as far as the untrained model predicts the training text best with it.

Aligned words are good evidence where there is much bitext, and poor where there is little: with 62,963 pairs they beat
the mean of the source tokens that spell a token by far, with 5,660 they lose to it by as much (docs/experiments.md).
"""

from dataclasses import dataclass, replace

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


@dataclass(frozen=True)
class Leant:
    """A mapping as far as it leans on its prior, and what the untrained model makes of it."""

    initialization: Initialization
    tables: dict[str, torch.Tensor]
    states: torch.Tensor
    """Those that meet the head when the model reads the text with the tables, shape (states, hidden)."""
    figures: dict[str, float]
    """The share, and the loss with each where there were several; none where there is no prior."""


def lean(mapped: Initialization, maker: TableMaker, reading: UntrainedReading, settings: UnigramCalibration) -> Leant:
    """Return the mapping with the best of the settings' shares, the smallest of equal ones; the text is read once with
    each. A mapping without a prior is read as it is.
    """

    def read(initialization: Initialization, figures: dict[str, float]) -> Leant:
        tables = maker.make(initialization)
        return Leant(initialization, tables, reading.states(tables), figures)

    if mapped.prior is None:
        return read(mapped, {})
    first, *others = sorted(set(settings.prior_shares))
    best = read(leaning(mapped, first), {"share": first})
    if not others:
        return best
    losses = {first: reading.loss(best.tables, best.states)}
    for share in others:
        one = read(leaning(mapped, share), {"share": share})
        losses[share] = reading.loss(one.tables, one.states)
        if losses[share] < losses[best.figures["share"]]:
            best = one
    return replace(best, figures=best.figures | {f"loss_{share:g}": loss for share, loss in losses.items()})
