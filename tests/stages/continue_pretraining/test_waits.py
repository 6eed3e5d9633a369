"""A step looks at no value on the device before all of it has been started: on a GPU each look is a wait."""

from dataclasses import dataclass, field

import numpy as np
import tiny_encoders as encoders
from torch.utils._python_dispatch import TorchDispatchMode
from training_case import PHASES, make_tokens, run_case
from transformers import AutoConfig

from stages.continue_pretraining import loop
from stages.shared.training.encoders import read_vocabulary

LOOKS = ("_local_scalar_dense", "nonzero")
"""A tensor's value in Python; how many there are of something, as for an index of true and false."""
CLIPPING = "_foreach_mul_"


@dataclass
class Noted(TorchDispatchMode):
    """Notes the looks, and when gradients are clipped."""

    seen: list[str] = field(default_factory=list)

    def __post_init__(self):
        super().__init__()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        name = function.overloadpacket.__name__
        if name in (*LOOKS, CLIPPING):
            self.seen.append(name)
        return function(*args, **(kwargs or {}))


def noted(monkeypatch, *paths, **training):
    """Train, and return what the second step looked at."""
    take_step, notes = loop.take_step, Noted()

    def take(*given):
        if given[3] != 1:
            return take_step(*given)
        with notes:
            return take_step(*given)

    monkeypatch.setattr(loop, "take_step", take)
    run_case(*paths, phases=[PHASES[1] | {"share": 1.0}], **training)
    return notes.seen


def test_a_decoder_clips_before_the_loss_is_read(tiny_model, tiny_tokens, tmp_path, monkeypatch):
    seen = noted(monkeypatch, tiny_model, tiny_tokens, tmp_path / "out")
    # Before it, on a CPU alone, the loss looks at each micro-batch for labels that are none.
    assert seen[-3:] == [CLIPPING, "_local_scalar_dense", "_local_scalar_dense"], "of the loss and of the norm"


def test_an_encoder_is_not_looked_at_in_between(tmp_path, monkeypatch):
    model = encoders.save_encoder(tmp_path / "model", "roberta", [f" word{number}" for number in range(40)])
    tokens = make_tokens(tmp_path / "tokens", vocabulary=AutoConfig.from_pretrained(model).vocab_size - 3)
    text = np.fromfile(tokens / "train.bin", dtype="<u2")
    text[text == read_vocabulary(model).padding_id] += 1  # no real text has it, and at a mask transformers looks
    text.tofile(tokens / "train.bin")
    seen = noted(monkeypatch, model, tokens, tmp_path / "out", objective="masked", sequence_length=16)
    assert seen == [CLIPPING, "_local_scalar_dense", "_local_scalar_dense"]
