"""Each method on a tiny model: what may be drawn is worked out from the model's own distribution."""

from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from pydantic import TypeAdapter, ValidationError
from tiny_models import save_tiny_model
from transformers import AutoModelForCausalLM

from stages.shared.decoding.generate import Limits, best_first, write_ids
from stages.shared.decoding.minimum_bayes_risk import most_alike
from stages.shared.decoding.settings import DecodingSettings

CONF = Path("conf/decoding")
END, DRAWS = 1, 200
PROMPT = [0, 40, 41, 42]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return AutoModelForCausalLM.from_pretrained(save_tiny_model(tmp_path_factory.mktemp("model"))).eval()


def as_numbers(rows):
    return [" ".join(map(str, row)) for row in rows]


def preset(name, **changes):
    return TypeAdapter(DecodingSettings).validate_python(yaml.safe_load((CONF / f"{name}.yaml").read_text()) | changes)


def write(model, settings, prompts=1, tokens=6, batch=0):
    ids = torch.tensor([PROMPT] * prompts)
    inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    candidates = map(as_numbers, write_ids(model, inputs, settings, Limits(tokens, (END,), END), batch))
    return [[texts[number] for number in best_first(settings, texts)] for texts in candidates]


def first_tokens(model, settings):
    return {int(text) for (text,) in write(model, settings, prompts=DRAWS, tokens=1)}


def distribution(model):
    with torch.inference_mode():
        return torch.softmax(model(torch.tensor([PROMPT])).logits[0, -1].double(), dim=0).numpy()


def greedy_by_hand(model, tokens):
    ids = list(PROMPT)
    with torch.inference_mode():
        for _ in range(tokens):
            ids.append(int(model(torch.tensor([ids])).logits[0, -1].argmax()))
    return " ".join(map(str, ids[len(PROMPT) :]))


def test_greedy_takes_the_most_probable_token_each_time(model):
    assert write(model, preset("greedy"), prompts=2) == [[greedy_by_hand(model, 6)]] * 2


def test_beam_search_returns_its_n_best_texts_by_probability(model):
    (texts,) = write(model, preset("beam", n_best=3))

    def log_probability(text):
        ids = torch.tensor([PROMPT + [int(token) for token in text.split()]])
        with torch.inference_mode():
            log_p = torch.log_softmax(model(ids).logits[0, :-1], dim=-1)
        return float(log_p.gather(1, ids[0, 1:, None])[len(PROMPT) - 1 :].sum())

    scores = [log_probability(text) for text in texts]
    assert len(set(texts)) == 3
    assert scores == sorted(scores, reverse=True)
    assert scores[0] >= log_probability(greedy_by_hand(model, 6)) - 1e-4


def test_top_k_draws_among_the_first_k(model):
    allowed = set(np.argsort(-distribution(model))[:3].tolist())
    assert first_tokens(model, preset("top_k", top_k=3)) == allowed


def test_nucleus_draws_among_the_fewest_that_hold_the_share(model):
    p = distribution(model)
    order = np.argsort(-p)
    allowed = order[: int(np.searchsorted(np.cumsum(p[order]), 0.1)) + 1]
    assert first_tokens(model, preset("nucleus", top_p=0.1)) == set(allowed.tolist())


def test_min_p_draws_among_those_with_a_share_of_the_first(model):
    p = distribution(model)
    assert first_tokens(model, preset("min_p", min_p=0.8)) == set(np.flatnonzero(p >= 0.8 * p.max()).tolist())


def test_typical_draws_among_those_of_expected_surprise(model):
    p = distribution(model)
    order = np.argsort(np.abs(-np.log(p) + (p * np.log(p)).sum()))
    allowed = order[: int(np.searchsorted(np.cumsum(p[order]), 0.05)) + 1]
    drawn = first_tokens(model, preset("typical", mass=0.05))
    assert drawn <= set(allowed.tolist())
    assert len(drawn) > 1


def test_a_low_temperature_is_greedy(model):
    assert write(model, preset("temperature", temperature=1e-4)) == [[greedy_by_hand(model, 6)]]


def test_mirostat_with_a_low_goal_is_greedy(model):
    assert write(model, preset("mirostat2", target_surprise=1e-3)) == [[greedy_by_hand(model, 6)]]


@pytest.mark.parametrize("name", ["temperature", "mirostat2", "mbr"])
def test_draws_depend_on_seed_and_batch_and_leave_the_generator_alone(model, name):
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    first = write(model, preset(name), prompts=2)
    assert first == write(model, preset(name), prompts=2)
    assert first != write(model, preset(name), prompts=2, batch=1)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_mbr_takes_the_candidate_most_like_all(model):
    settings = preset("mbr")
    candidates = [text for (text,) in write(model, settings.sampling, prompts=settings.candidates)]
    assert write(model, settings) == [[candidates[most_alike(candidates)]]]


def test_a_folder_that_samples_or_penalises_changes_nothing(model):
    plain = write(model, preset("greedy")), write(model, preset("temperature"), prompts=3)
    given = {"do_sample": True, "repetition_penalty": 9.0, "top_k": 1, "min_p": 0.9, "no_repeat_ngram_size": 1}
    kept = model.generation_config.to_dict()
    model.generation_config.update(**given)
    try:
        assert (write(model, preset("greedy")), write(model, preset("temperature"), prompts=3)) == plain
    finally:
        model.generation_config = type(model.generation_config).from_dict(kept)


@pytest.mark.parametrize("path", sorted(CONF.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_preset_is_of_its_own_name(path):
    assert preset(path.stem).method == path.stem


def test_settings_that_cannot_be(model):
    with pytest.raises(ValidationError, match="n_best=6 is more than beams=5"):
        preset("beam", n_best=6)
    with pytest.raises(ValidationError, match="does not match any of the expected tags"):
        preset("greedy", method="gready")
