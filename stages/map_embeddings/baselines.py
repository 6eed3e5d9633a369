"""The floors: rows that know nothing of the new tokens."""

import numpy as np

from stages.map_embeddings.initialization import UNMAPPED, Fallback, Initialization, MappingTask, empty_weights
from stages.map_embeddings.methods import init_method


@init_method()
def random(task: MappingTask) -> Initialization:
    """Draw every number by itself from a normal distribution with mean 0 and the source table's root mean square."""
    return _all_empty(task, "independent")


@init_method()
def multivariate_normal(task: MappingTask) -> Initialization:
    """Draw each row from the normal distribution with the mean and covariance of the source rows (Hewitt 2021)."""
    return _all_empty(task, "normal")


@init_method()
def mean(task: MappingTask) -> Initialization:
    """Give each token the mean source row."""
    return _all_empty(task, "mean")


def _all_empty(task: MappingTask, fallback: Fallback) -> Initialization:
    how = np.full(len(task.target), UNMAPPED, dtype=np.int8)
    return Initialization(empty_weights(task), fallback, how)
