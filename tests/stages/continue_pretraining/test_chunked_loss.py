"""The chunked loss is the plain one, in less memory."""

import pytest
import torch
from tiny_decoders import SHAPE
from torch.nn import functional
from training_case import VOCABULARY
from transformers import Gemma2Config, Gemma2ForCausalLM, LlamaConfig, LlamaForCausalLM

from pipeline.config import load_config
from pipeline.errors import UserError
from stages.shared.training import loss as module
from stages.shared.training.batches import IGNORED
from stages.shared.training.loss import ChunkedCrossEntropy, LossModel, check_plain_head, summed_loss


def test_plans_know_what_a_gpu_holds():
    assert load_config(["language=dutch"]).planning.logits_chunk_bytes == module.CHUNK_BYTES["cuda"]


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


def test_tokens_without_a_label_count_for_nothing():
    generator = torch.Generator().manual_seed(0)
    labels = torch.tensor([3, IGNORED, 0, IGNORED, 8])
    hidden, weight = torch.randn(5, 4, generator=generator), torch.randn(9, 4, generator=generator)
    h, w = hidden.clone().requires_grad_(), weight.clone().requires_grad_()
    value = summed_loss(h, w, labels)
    value.backward()
    kept = labels != IGNORED
    h2, w2 = hidden.clone().requires_grad_(), weight.clone().requires_grad_()
    expected = functional.cross_entropy(h2[kept] @ w2.T, labels[kept], reduction="sum")
    expected.backward()
    torch.testing.assert_close(value, expected)
    torch.testing.assert_close(h.grad, h2.grad)
    torch.testing.assert_close(w.grad, w2.grad)


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_model_has_the_loss_and_gradients_of_transformers(monkeypatch, tied, precision):
    monkeypatch.setitem(module.CHUNK_BYTES, "cpu", 4 * VOCABULARY * 5)  # 16 tokens are four chunks
    model = LlamaForCausalLM(tiny_llama(tied)).train()
    generator = torch.Generator().manual_seed(0)
    inputs, labels = torch.randint(0, VOCABULARY, (2, 2, 8), generator=generator)
    results = []
    for chunked in (True, False):
        model.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"):
            if chunked:
                value = LossModel(model, by_document=False)(inputs, labels, torch.arange(8).expand(2, 8))
            else:
                logits = model(inputs).logits.float()
                value = functional.cross_entropy(logits.reshape(-1, VOCABULARY), labels.reshape(-1), reduction="sum")
        (value / 16).backward()
        results.append([value.detach() / 16, *(weight.grad.clone() for weight in model.parameters())])
    # bfloat16 has 8 bits, and torch's gradient of the table is rounded to them once more.
    close = {"rtol": 1e-6, "atol": 1e-6} if precision == "float32" else {"rtol": 0.02, "atol": 2e-3}
    for ours, theirs in zip(*results, strict=True):
        torch.testing.assert_close(ours, theirs, **close)


@pytest.mark.gpu
def test_a_gpu_adds_rounded_products_to_a_gradient_of_float32():
    generator = torch.Generator().manual_seed(0)
    hidden, weight = torch.randn(50, 16, generator=generator), torch.randn(23, 16, generator=generator)
    labels = torch.randint(0, 23, (50,), generator=generator)
    labels[::7] = IGNORED
    gradients = []
    for device in ("cpu", "cuda"):
        w = weight.to(device, copy=True).requires_grad_()
        ChunkedCrossEntropy.apply(hidden.to(device), w, labels.to(device), 7, torch.bfloat16).backward()
        gradients.append(w.grad.cpu())
    torch.testing.assert_close(*gradients, rtol=0.02, atol=0.05)


def tiny_llama(tied):
    torch.manual_seed(0)
    return LlamaConfig(vocab_size=VOCABULARY, **SHAPE, tie_word_embeddings=tied)


def test_logits_are_never_held_all_at_once(monkeypatch):
    monkeypatch.setitem(module.CHUNK_BYTES, "cpu", 4 * 1000 * 16)
    largest = 0
    original = torch.log_softmax

    def watched(logits, **options):
        nonlocal largest
        largest = max(largest, logits.numel())
        return original(logits, **options)

    monkeypatch.setattr(torch, "log_softmax", watched)
    summed_loss(torch.randn(200, 8), torch.randn(1000, 8), torch.zeros(200, dtype=torch.int64))
    assert largest == 16 * 1000


def test_a_model_that_caps_its_logits_is_refused():
    check_plain_head(LlamaForCausalLM(tiny_llama(tied=True)))
    capped = Gemma2ForCausalLM(Gemma2Config(vocab_size=VOCABULARY, **SHAPE))
    with pytest.raises(UserError, match=r"Gemma2ForCausalLM changes its logits \(final_logit_softcapping\)"):
        check_plain_head(capped)
