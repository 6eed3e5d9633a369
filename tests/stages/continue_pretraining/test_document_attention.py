"""A document packed behind others is predicted as if it stood alone."""

import numpy as np
import pytest
import torch
from training_case import VOCABULARY, make_model
from transformers import AutoModelForCausalLM

from stages.shared.training.batches import Blocks
from stages.shared.training.feeding import to_device
from stages.shared.training.loss import LossModel

LENGTH = 24
STARTS = np.array([0, 5, 6, 17, 24, 40])


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = make_model(tmp_path_factory.mktemp("documents") / "model", initializer_range=0.3)
    return AutoModelForCausalLM.from_pretrained(folder, attn_implementation="sdpa").eval()


def packed(starts) -> Blocks:
    tokens = np.random.default_rng(0).integers(0, VOCABULARY, 3 * LENGTH + 1)
    return Blocks(tokens, np.asarray(starts), LENGTH, by_document=True)


def test_logits_are_those_of_each_document_alone(model):
    data = packed(STARTS)
    inputs, _, positions = to_device(data.batch([0, 1, 2]), torch.device("cpu"))
    with torch.no_grad():
        together = model(inputs, position_ids=positions, use_cache=False).logits
        mixed = model(inputs, use_cache=False).logits
        for row in range(3):
            begins = [place for place in range(LENGTH) if positions[row, place] == 0]
            for begin, end in zip(begins, [*begins[1:], LENGTH], strict=True):
                alone = model(inputs[row : row + 1, begin:end], use_cache=False).logits[0]
                torch.testing.assert_close(together[row, begin:end], alone, rtol=1e-5, atol=1e-5)
    assert float((together - mixed).abs().max()) > 0.1  # else the test would prove nothing


def test_documents_in_one_row_have_the_loss_of_rows(model):
    # FlashAttention takes all sequences in one row; where documents end there does not depend on the kernel.
    batch = to_device(packed(STARTS).batch([0, 1, 2]), torch.device("cpu"))
    rows, row = LossModel(model, by_document=True), LossModel(model, by_document=True)
    assert not rows.in_one_row
    row.in_one_row = True
    with torch.no_grad():
        torch.testing.assert_close(row(*batch), rows(*batch))


def test_kernels_for_many_lengths_are_told_where_documents_end(model):
    told = {}
    handle = (
        model.get_decoder()
        .layers[0]
        .register_forward_pre_hook(lambda layer, arguments, options: told.update(options), with_kwargs=True)
    )
    module = LossModel(model, by_document=True)
    module.in_one_row = True
    with torch.no_grad():
        module(*to_device(packed(STARTS).batch([0, 1]), torch.device("cpu")))
    handle.remove()
    assert told["cu_seq_lens_q"].tolist() == [0, 5, 6, 17, 24, 40, 48]
    assert told["max_length_q"] == 16


@pytest.mark.parametrize(("starts", "shape"), [([0, 24, 48], None), ([0, 30], (2, 1, LENGTH, LENGTH))])
def test_a_mask_is_made_only_for_micro_batches_in_which_a_document_begins(model, starts, shape):
    seen = []
    handle = (
        model.get_decoder()
        .layers[0]
        .register_forward_pre_hook(
            lambda layer, arguments, options: seen.append(options["attention_mask"]), with_kwargs=True
        )
    )
    with torch.no_grad():
        LossModel(model, by_document=True)(*to_device(packed(starts).batch([0, 1]), torch.device("cpu")))
    handle.remove()
    (mask,) = seen
    assert (mask is None) if shape is None else (tuple(mask.shape) == shape)
