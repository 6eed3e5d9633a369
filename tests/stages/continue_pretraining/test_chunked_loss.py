"""The chunked loss is the plain one, in less memory."""

import pytest
import torch
from torch.nn import functional

from stages.shared.training import loss as module
from stages.shared.training.loss import ChunkedCrossEntropy, summed_loss


@pytest.mark.parametrize("chunk", [1, 3, 7, 100])
@pytest.mark.parametrize("frozen", ["nothing", "head", "hidden"])
def test_value_and_gradients_are_those_of_torch(chunk, frozen):
    generator = torch.Generator().manual_seed(0)
    hidden = torch.randn(10, 6, generator=generator)
    weight = torch.randn(23, 6, generator=generator)
    labels = torch.randint(0, 23, (10,), generator=generator)
    results = []
    for chunked in (True, False):
        h = hidden.clone().requires_grad_(frozen != "hidden")
        w = weight.clone().requires_grad_(frozen != "head")
        if chunked:
            value = ChunkedCrossEntropy.apply(h, w, labels, chunk, torch.float32)
        else:
            value = functional.cross_entropy(h @ w.T, labels, reduction="sum")
        (value / 7).backward()
        results.append((value.detach(), h.grad, w.grad))
    for ours, theirs in zip(*results, strict=True):
        assert (ours is None) == (theirs is None)
        if ours is not None:
            torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-6)


def test_no_labels_give_no_loss_and_no_gradient():
    hidden, weight = torch.zeros(0, 4, requires_grad=True), torch.ones(5, 4, requires_grad=True)
    value = summed_loss(hidden, weight, torch.zeros(0, dtype=torch.int64))
    value.backward()
    assert float(value.detach()) == 0
    assert weight.grad is not None
    assert not weight.grad.any()


def test_logits_are_never_held_all_at_once(monkeypatch):
    monkeypatch.setitem(module.CHUNK_BYTES, "cpu", 4 * 1000 * 16)
    largest = 0
    original = torch.logsumexp

    def watched(logits, **options):
        nonlocal largest
        largest = max(largest, logits.numel())
        return original(logits, **options)

    monkeypatch.setattr(torch, "logsumexp", watched)
    summed_loss(torch.randn(200, 8), torch.randn(1000, 8), torch.zeros(200, dtype=torch.int64))
    assert largest == 16 * 1000
