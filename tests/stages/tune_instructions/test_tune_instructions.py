"""SFT and DPO on a tiny random chat model: what they learn, what they write, and that a killed one goes on."""

import json

import pytest
import torch
from transformers import AutoModelForCausalLM
from tuning_case import DPO, END_OF_TEXT, LORA, SFT, make_bare_model, make_data, make_model, run_case

from pipeline.errors import OutOfTime, UserError
from pipeline.stage import CHECKPOINTS
from stages.shared.loading import load_causal_model, load_tokenizer
from stages.shared.model_folder import tensor_files
from stages.tune_instructions import progress
from stages.tune_instructions.chat import CHATML, END, START, prepare_chat
from stages.tune_instructions.measure import reward_figures

MODEL_FILES = {
    "chat_template.jinja",
    "config.json",
    "generation_config.json",
    "model.safetensors",
    "tokenizer.json",
    "tokenizer_config.json",
}
LEFT = MODEL_FILES | {"answers.json", "metrics.jsonl", "tuning.json", CHECKPOINTS}
TOLERANCE = 1e-6
"""Largest difference of a weight between a run that was stopped and one that was not, both in float32."""


def weights(folder):
    return load_causal_model(folder, torch.float32).state_dict()


def lines(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]


def test_sft_predicts_held_out_answers_better_and_leaves_a_plain_model(instruct, case):
    out, metrics = instruct
    assert metrics["loss_after"] < metrics["loss_before"] - 0.1
    assert {path.name for path in out.iterdir()} == LEFT
    assert tensor_files(out).keys() == tensor_files(case["model"]).keys()
    steps = lines(out)
    assert [line["step"] for line in steps] == list(range(1, metrics["steps"] + 1))
    assert {"tokens", "loss", "learning_rate", "grad_norm"} <= set(steps[0])
    described = json.loads((out / "tuning.json").read_text(encoding="utf-8"))
    assert described["held_out"] == {key: metrics[key] for key in ("rows", "loss_before", "loss_after")}
    assert described["encoding"]["train"]["truncated"] > 0  # reported, not silent
    (answer,) = json.loads((out / "answers.json").read_text(encoding="utf-8"))
    assert answer.keys() == {"prompt", "reference", "before", "after"}


def test_it_loads_without_us_and_stops_at_the_end_of_its_answers(instruct):
    out, _ = instruct
    model = AutoModelForCausalLM.from_pretrained(out)
    tokenizer = load_tokenizer(out)
    assert model.generation_config.eos_token_id == tokenizer.convert_tokens_to_ids(END)


def test_dpo_of_adapters_raises_margins_and_merges_them(instruct, case, tmp_path):
    inputs = {"model": instruct[0], "data": case["preferences"], "instructions": case["instructions"]}
    metrics = run_case(inputs, tmp_path / "out", DPO | {"lora": LORA, "epochs": 4, "learning_rate": 0.01})
    assert metrics["reward_margin"] > 0.02
    assert metrics["reward_accuracy"] > 0.5
    steps = lines(tmp_path / "out")
    assert steps[0]["reward_margin"] == pytest.approx(0, abs=1e-6)  # the reference is the model that it begins with
    assert steps[-1]["reward_margin"] > 0.02
    before, after = weights(instruct[0]), weights(tmp_path / "out")
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert moved == {name for name in before if name.split(".")[-2] in LORA["target_modules"]}


ADAPTED = SFT | {"chat_template": "chatml", "lora": LORA, "epochs": 1}


def written(folder, token):
    """Return how many tokens are written where the third one is `token` and none is the model's own choice."""
    model = AutoModelForCausalLM.from_pretrained(folder)

    def force(ids, scores):
        forced = torch.full_like(scores, -torch.inf)
        forced[:, token if ids.shape[1] == 6 else 7] = 0
        return forced

    ids = torch.tensor([[5, 6, 7, 8]])
    return model.generate(ids, logits_processor=[force], max_new_tokens=8).shape[1] - 4


@pytest.mark.parametrize("tied", [True, False])
def test_adapters_come_with_the_rows_of_new_markers_and_an_answer_ends_at_the_old_end_too(case, tmp_path, tied):
    model = make_bare_model(tmp_path / "model", tied)
    inputs = {"model": model, "data": case["instructions"], "instructions": case["instructions"]}
    run_case(inputs, tmp_path / "out", ADAPTED)
    tokenizer = load_tokenizer(tmp_path / "out")
    start, end, eos = tokenizer.convert_tokens_to_ids([START, END, END_OF_TEXT])
    before, after = weights(model), weights(tmp_path / "out")
    for name in ("model.embed_tokens.weight", "lm_head.weight"):
        assert torch.equal(after[name][:start], before[name]), "rows that were there stay as they were"
        assert not torch.equal(after[name][end], before[name][eos])
    assert torch.equal(after["model.embed_tokens.weight"], after["lm_head.weight"]) is tied
    assert load_causal_model(tmp_path / "out", torch.float32).generation_config.eos_token_id == [end, eos]
    assert [written(tmp_path / "out", token) for token in (end, eos, start)] == [3, 3, 8]


def test_the_ends_of_answers_outlast_a_second_tuning(case, tmp_path):
    folder = make_bare_model(tmp_path / "model", tied=True)
    model, tokenizer = load_causal_model(folder, torch.float32), load_tokenizer(folder)
    first = prepare_chat(model, tokenizer, "chatml")
    model.generation_config.eos_token_id = list(first.end_ids)  # as the first tuning writes it
    assert prepare_chat(model, tokenizer, "keep").end_ids == first.end_ids


@pytest.mark.parametrize("tied", [True, False])
def test_a_stopped_tuning_goes_on_with_the_rows_of_new_markers(case, tmp_path, monkeypatch, tied):
    model = make_bare_model(tmp_path / "model", tied)
    inputs = {"model": model, "data": case["instructions"], "instructions": case["instructions"]}
    run_case(inputs, tmp_path / "whole", ADAPTED)
    stop_after(1, monkeypatch)
    with pytest.raises(OutOfTime, match="after step 2 of 3"):
        run_case(inputs, tmp_path / "out", ADAPTED)
    monkeypatch.undo()
    assert run_case(inputs, tmp_path / "out", ADAPTED)["resumed_at_step"] == 2
    ours, theirs = weights(tmp_path / "out"), weights(tmp_path / "whole")
    assert max(float((ours[name] - theirs[name]).abs().max()) for name in theirs) <= TOLERANCE


@pytest.mark.slow
def test_dpo_of_all_weights_raises_margins(instruct, case, tmp_path):
    inputs = {"model": instruct[0], "data": case["preferences"], "instructions": case["instructions"]}
    metrics = run_case(inputs, tmp_path / "out", DPO)
    assert metrics["reward_margin"] > 0.1
    assert lines(tmp_path / "out")[0]["reward_margin"] == pytest.approx(0, abs=1e-6)


def stop_after(step, monkeypatch):
    """Have a signal come after a step, which is seen at the end of the next one."""
    on_log = progress.Progress.on_log

    def stopped(self, args, state, control, logs=None, **more):
        on_log(self, args, state, control, logs, **more)
        if state.global_step == step:
            self.interruption.signal_name = "SIGUSR1"

    monkeypatch.setattr(progress.Progress, "on_log", stopped)


def test_a_stopped_tuning_goes_on_as_if_nothing_had_happened(instruct, sft_inputs, tmp_path, monkeypatch):
    uninterrupted, metrics = instruct
    out = tmp_path / "out"
    stop_after(3, monkeypatch)
    # Slurm starts such a step again, of which a plain UserError would be the end.
    with pytest.raises(OutOfTime, match=r"stopped by SIGUSR1 after step 4 of 9; it is saved in .*goes on from there"):
        run_case(sft_inputs, out, SFT)
    monkeypatch.undo()
    torn = out / CHECKPOINTS / "checkpoint-6"  # as a kill in the middle of saving leaves it
    torn.mkdir()
    resumed = run_case(sft_inputs, out, SFT)
    assert resumed["resumed_at_step"] == 4
    assert {path.name for path in out.iterdir()} == LEFT
    assert [line["tokens"] for line in lines(out)] == [line["tokens"] for line in lines(uninterrupted)]
    ours, theirs = weights(out), weights(uninterrupted)
    assert max(float((ours[name] - theirs[name]).abs().max()) for name in theirs) <= TOLERANCE
    assert resumed["loss_after"] == pytest.approx(metrics["loss_after"], abs=1e-6)


@pytest.mark.slow
def test_sft_again_gives_the_same_bytes(instruct, sft_inputs, tmp_path):
    run_case(sft_inputs, tmp_path / "out", SFT)
    for name in ("model.safetensors", "metrics.jsonl", "answers.json"):
        assert (tmp_path / "out" / name).read_bytes() == (instruct[0] / name).read_bytes()


@pytest.mark.slow
def test_packed_conversations_with_chatml(case, tmp_path):
    model = make_model(tmp_path / "model", template=None)
    inputs = {"model": model, "data": case["instructions"], "instructions": case["instructions"]}
    metrics = run_case(inputs, tmp_path / "out", SFT | {"packing": True, "chat_template": "chatml"})
    assert metrics["loss_after"] < metrics["loss_before"] - 0.1
    tokenizer = load_tokenizer(tmp_path / "out")
    assert tokenizer.chat_template == CHATML
    assert tokenizer.eos_token == END


def test_rows_that_are_all_too_long_are_no_training(case, tmp_path):
    data = make_data(tmp_path / "data", preferences=False, train=2)
    inputs = {"model": case["model"], "data": data, "instructions": case["instructions"]}
    with pytest.raises(UserError, match=r"none of 2 rows .* within tuning.sft.max_length=8 tokens; raise it"):
        run_case(inputs, tmp_path / "out", SFT | {"max_length": 8})


def test_a_micro_batch_that_does_not_divide_the_batch_is_refused(sft_inputs, tmp_path):
    told = r"micro_batch=3 does not divide the 4 rows that each of 1 processes has of tuning.sft.global_batch=4"
    with pytest.raises(UserError, match=told):
        run_case(sft_inputs, tmp_path / "out", SFT, {"micro_batch": 3})


def test_rewards_by_hand():
    before, after = [(10.0, 8.0), (5.0, 6.0)], [(9.0, 9.0), (6.0, 6.0)]
    assert reward_figures(before, after, beta=0.5) == {
        "pairs": 2,
        "reward_accuracy": 0.5,
        "reward_margin": 0.25,  # of 0.5 * (1 + 1) and 0.5 * -1
        "preferred_before": 0.5,
        "preferred_after": 0.0,
    }
