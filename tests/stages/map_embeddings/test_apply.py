"""Rows that are drawn do not depend on how many are computed at once."""

import numpy as np
import pytest
import torch
from scipy.sparse import csr_matrix

from pipeline.errors import UserError
from stages.map_embeddings import apply
from stages.map_embeddings.initialization import Initialization


def half_mapped(fallback):
    rows = np.arange(0, 50, 2)
    weights = csr_matrix((np.ones(len(rows)), (rows, rows // 2)), shape=(50, 30))
    return Initialization(weights, fallback, np.zeros(50, dtype=np.int8))


@pytest.mark.parametrize("fallback", ["mean", "normal", "independent", "unk"])
def test_small_blocks_make_the_same_table(monkeypatch, fallback):
    table = torch.randn(30, 8, generator=torch.Generator().manual_seed(1))
    (whole,) = apply.apply_initialization(half_mapped(fallback), [table], 3, 1, head=False)
    monkeypatch.setattr(apply, "BLOCK_ROWS", 7)
    (blocks,) = apply.apply_initialization(half_mapped(fallback), [table], 3, 1, head=False)
    torch.testing.assert_close(blocks, whole, rtol=1e-6, atol=1e-6)
    assert torch.equal(blocks[::2], table[:25])
    drawn = fallback in ("normal", "independent")
    assert len(torch.unique(blocks[1::2], dim=0)) == (25 if drawn else 1)


def test_a_row_that_is_not_finite_is_an_error():
    table = torch.ones(30, 8)
    table[4, 0] = float("inf")
    with pytest.raises(UserError, match="not finite"):
        apply.apply_initialization(half_mapped("mean"), [table], None, 1, head=False)
