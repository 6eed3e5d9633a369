"""Mirostat 2 on a distribution worked out by hand: surprises of 1, 2, 3, 4 and 4 bits."""

import math

import pytest
import torch

from stages.shared.decoding.mirostat import Mirostat2
from stages.shared.decoding.settings import Mirostat2Settings

PROBABILITIES = torch.tensor([1 / 2, 1 / 4, 1 / 8, 1 / 16, 1 / 16])
LOGITS = PROBABILITIES.log()[None] + 7.0  # any shift is the same distribution


def processor(target, rate):
    return Mirostat2(
        Mirostat2Settings(method="mirostat2", seed=1, target_surprise=target, learning_rate=rate),
    )


def kept(scores):
    return [row.isfinite().nonzero()[:, 0].tolist() for row in scores]


def test_the_limit_begins_at_twice_the_goal_and_follows_what_was_drawn():
    mirostat = processor(target=1.6, rate=0.5)
    assert kept(mirostat(torch.tensor([[9]]), LOGITS)) == [[0, 1, 2]]  # limit 3.2
    # Token 2 has 3 bits, 1.4 above the goal: the limit falls by 0.7 to 2.5.
    assert kept(mirostat(torch.tensor([[9, 2]]), LOGITS)) == [[0, 1]]
    assert mirostat.limit.item() == pytest.approx(2.5)
    # Token 0 has 1 bit, 0.6 below: the limit rises by 0.3.
    mirostat(torch.tensor([[9, 2, 0]]), LOGITS)
    assert mirostat.limit.item() == pytest.approx(2.8)


def test_kept_tokens_keep_their_logits():
    scores = processor(target=1.6, rate=0.5)(torch.tensor([[9]]), LOGITS)
    assert torch.equal(scores[0, :3], LOGITS[0, :3])
    assert torch.softmax(scores, dim=-1)[0, :3].tolist() == pytest.approx([4 / 7, 2 / 7, 1 / 7])


def test_the_most_probable_token_stays_however_low_the_limit():
    assert kept(processor(target=0.25, rate=0.5)(torch.tensor([[9]]), LOGITS)) == [[0]]


def test_each_row_has_a_limit_of_its_own_and_padding_moves_none():
    mirostat = processor(target=1.6, rate=0.5)
    both = LOGITS.repeat(3, 1)
    both[2, 4] = -math.inf
    mirostat(torch.tensor([[9], [9], [9]]), both)
    mirostat(torch.tensor([[9, 2], [9, 0], [9, 4]]), both)
    assert mirostat.limit.tolist() == pytest.approx([2.5, 3.5, 3.2])


def test_the_mean_surprise_of_many_draws_is_near_the_goal():
    torch.manual_seed(1)
    mirostat = processor(target=1.2, rate=0.1)
    text = torch.tensor([[9]])
    for _ in range(600):
        drawn = torch.multinomial(torch.softmax(mirostat(text, LOGITS), dim=-1), 1)
        text = torch.cat([text, drawn], dim=1)
    surprise = -PROBABILITIES.log2()[text[0, 1:]]
    assert surprise.mean().item() == pytest.approx(1.2, abs=0.05)
