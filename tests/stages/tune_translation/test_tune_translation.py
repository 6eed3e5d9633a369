"""Fine-tuning on pairs: tiny plain and Hydra models, real pairs."""

import json
import math
import shutil

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from hydra_models import EXECUTION, LANGUAGES, PAIRS, PROMPT, save_bitext, save_models
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoModelForCausalLM

from pipeline.errors import UserError
from stages.shared.hydra.loading import load_processor, load_translator
from stages.shared.text_table import PAIR, write_rows
from stages.shared.training.batches import IGNORED
from stages.shared.translation.memory import Match, show
from stages.shared.translation.pairs import usable_pairs
from stages.shared.translation.settings import MatchSettings
from stages.tune_translation.examples import PairEncoder, make_batch
from stages.tune_translation.pairs import draw_pairs, match_pairs, target_bytes
from stages.tune_translation.settings import ParallelTuningSettings, TuneTranslationSettings
from stages.tune_translation.stage import tune_translation
from stages.tune_translation.training import pair_loss, rate_share

TUNING = {
    "tokens": 3000,
    "longest": 100,
    "least_words": 2,
    "step_pairs": 4,
    "seed": 1,
    "learning_rate": 3e-3,
    "embedding_learning_rate": 3e-3,
    "warmup_share": 0.0,
    "betas": (0.9, 0.98),
    "weight_decay": 0.01,
    "max_grad_norm": 1.0,
    "threads": 1,
    "precision": "float32",
}
MATCHING = MatchSettings(similarity=0.4, least_words=2, most_words=20, match="{match_source} = {match_target}\n")


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    save_bitext(folder / "bitext")
    return save_models(folder) | {"bitext": folder / "bitext"}


def tune(models, model, out, matching=None, **changes):
    settings = TuneTranslationSettings(
        parallel_tuning=ParallelTuningSettings(**TUNING | changes),
        prompt=PROMPT,
        languages=LANGUAGES,
        matching=matching,
    )
    out.mkdir(parents=True)
    inputs = {"model": models[model], "base_model": models["base"], "bitext": models["bitext"]}
    inputs |= {name: models[name] for name in ("equal_to",) if name in models}
    if matching:
        inputs["memory"] = models["bitext"]
    metrics = tune_translation(settings, inputs, out, EXECUTION)
    return metrics, json.loads((out / "training.json").read_text())


@pytest.fixture(scope="module")
def tuned(models, tmp_path_factory):
    out = tmp_path_factory.mktemp("tuned")
    return {name: (out / name, *tune(models, name, out / name)) for name in ("base", "hydra")}


def mean_loss(models, folder):
    model, processor = load_translator(folder)
    rows = pq.read_table(models["bitext"] / "train.parquet").to_pylist()[:12]
    encoder = PairEncoder(processor, PROMPT, LANGUAGES)
    examples = [encoder.encode((row["source_text"], row["target_text"])) for row in rows]
    inputs, labels = (torch.from_numpy(part) for part in make_batch(examples))
    with torch.inference_mode():
        return float(pair_loss(model, inputs, labels)) / int((labels != IGNORED).sum())


def test_both_models_see_equal_bytes_in_equal_steps_and_learn(models, tuned):
    base, hydra = (tuned[name][2] for name in ("base", "hydra"))
    assert [base[key] for key in ("pairs", "pairs_sha256", "bytes", "steps")] == [
        hydra[key] for key in ("pairs", "pairs_sha256", "bytes", "steps")
    ]
    assert base["steps"] == math.ceil(base["pairs"] / TUNING["step_pairs"])
    assert 0.9 * TUNING["tokens"] <= base["tokens"] <= TUNING["tokens"]
    for name in ("base", "hydra"):
        assert mean_loss(models, tuned[name][0]) < 0.95 * mean_loss(models, models[name])


def test_the_folder_is_of_its_kind_and_loads_alone(models, tuned):
    for name in ("base", "hydra"):
        folder = tuned[name][0]
        before, after = (json.loads((one / "config.json").read_text()) for one in (models[name], folder))
        assert before["architectures"] == after["architectures"]
        assert before["dtype"] == after["dtype"]
        pair = ("The house is big.", "Йорт зур.")
        encoders = [PairEncoder(load_processor(one), PROMPT, LANGUAGES) for one in (models[name], folder)]
        assert encoders[0].encode(pair) == encoders[1].encode(pair)
        steps = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
        assert [line["step"] for line in steps] == list(range(1, tuned[name][2]["steps"] + 1))


def test_the_same_again_is_the_same_to_the_byte(models, tuned, tmp_path):
    tune(models, "hydra", tmp_path / "again")
    weights = [folder / "model.safetensors" for folder in (tuned["hydra"][0], tmp_path / "again")]
    assert weights[0].read_bytes() == weights[1].read_bytes()


def test_matches_change_neither_the_pairs_nor_the_steps_and_are_only_read(models, tuned, tmp_path):
    plain = tuned["hydra"][2]
    _, repaired = tune(models, "hydra", tmp_path / "out", MATCHING)
    same = ("pairs", "pairs_sha256", "bytes", "steps", "learnt_tokens")
    assert [repaired[key] for key in same] == [plain[key] for key in same]
    assert repaired["tokens"] > plain["tokens"]
    assert 0 < repaired["matches"]["matched"] < repaired["matches"]["texts"] == plain["pairs"]
    assert "matches" not in plain


def test_what_is_learnt_is_the_same_behind_a_match(models):
    encoder = PairEncoder(load_processor(models["hydra"]), PROMPT, LANGUAGES)
    pair = ("The house", "Зур йорт")
    plain, shown = encoder.encode(pair), encoder.encode(pair, show(Match("A house", "Йорт", 0.5), LANGUAGES, MATCHING))
    assert shown.ids[shown.asked :] == plain.ids[plain.asked :]
    # The match's translation is of the output vocabulary, whose rows come first.
    offset = encoder.processor.offset("en")
    assert [number < offset for number in plain.ids[: plain.asked]] == [False] * plain.asked
    assert encoder.processor.decode([number for number in shown.ids[: shown.asked] if number < offset]) == " Йорт"


def test_a_micro_batch_changes_only_rounding(models):
    model = AutoModelForCausalLM.from_pretrained(models["base"])
    encoder = PairEncoder(load_processor(models["base"]), PROMPT, LANGUAGES)
    examples = [encoder.encode(pair) for pair in (("A house", "Йорт"), ("The big old house", "Зур иске йорт бар"))]

    def loss(chosen):
        return pair_loss(model, *(torch.from_numpy(part) for part in make_batch(chosen)))

    torch.testing.assert_close(loss(examples), loss(examples[:1]) + loss(examples[1:]))


def test_only_the_translation_and_its_end_are_learnt_in_the_target_vocabulary(models):
    processor = load_processor(models["hydra"])
    example = PairEncoder(processor, PROMPT, LANGUAGES).encode(("The house", "Зур йорт"))
    asked = [("en", PROMPT.format(source_language="English", target_language="Tatar", text="The house"))]
    assert list(example.ids[: example.asked]) == processor.encode(asked)
    learnt = list(example.ids[example.asked :])
    assert processor.decode(learnt[:-1]) == " Зур йорт"
    assert learnt[-1] == processor.tokenizers["tt"].eos_token_id
    assert max(learnt) < processor.offset("en") <= min(example.ids[: example.asked])
    inputs, labels = make_batch([example])
    assert inputs.shape == labels.shape == (1, len(example.ids) - 1)
    assert labels[0][labels[0] != IGNORED].tolist() == learnt
    assert inputs[0, example.asked :].tolist() == learnt[:-1]


def test_a_plain_model_reads_prompt_and_translation_as_one_text(models):
    processor = load_processor(models["base"])
    example = PairEncoder(processor, PROMPT, LANGUAGES).encode(("The house", "Зур йорт"))
    text = PROMPT.format(source_language="English", target_language="Tatar", text="The house") + " Зур йорт"
    assert list(example.ids[:-1]) == processor.encode([("en", text)])
    assert processor.decode(example.ids[example.asked : -1]).strip() == "Зур йорт"


def test_a_loss_that_is_not_finite_stops(models, tmp_path):
    broken = shutil.copytree(models["base"], tmp_path / "broken")
    model = AutoModelForCausalLM.from_pretrained(broken)
    model.get_input_embeddings().weight.data.fill_(math.nan)
    model.save_pretrained(broken)
    with pytest.raises(UserError, match=r"not finite in step 1 of .*lower parallel_tuning.learning_rate"):
        tune(models | {"broken": broken}, "broken", tmp_path / "out")


def test_pairs_that_cannot_be_used_are_told(models, tmp_path):
    with pytest.raises(UserError, match=r"none of 0 training pairs has at most 100 tokens"):
        tune(models, "base", tmp_path / "out", least_words=1000)


def test_pairs_of_some_words_once_each_on_one_line():
    rows = [("Open\nit", "Аны  ач"), ("Open it", "Аны ач"), ("House", "Йорт бар"), ("", "")]
    assert usable_pairs(rows, 2) == [("Open it", "Аны ач")]


@given(st.lists(st.integers(1, 20), min_size=1, max_size=30), st.integers(1, 200), st.integers(0, 3))
def test_the_budget_is_kept_and_no_pair_comes_again_before_the_others(lengths, tokens, seed):
    pairs = [(str(number), str(number)) for number in range(len(lengths))]
    fitting = [pair for pair in pairs if lengths[int(pair[0])] <= min(15, tokens)]

    def length(pair):
        return lengths[int(pair[0])]

    if not fitting:
        with pytest.raises(UserError, match="none of"):
            draw_pairs(pairs, length, tokens, 15, seed)
        return
    drawn = draw_pairs(pairs, length, tokens, 15, seed)
    assert tokens - 15 < sum(map(length, drawn)) <= tokens
    counts = [drawn.count(pair) for pair in fitting]
    assert sum(counts) == len(drawn)
    assert max(counts) - min(counts) <= 1


@given(st.lists(st.integers(1, 30), min_size=1, max_size=40), st.randoms(use_true_random=False), st.integers(0, 9))
def test_pairs_that_suffice_have_the_bytes_of_those_that_they_are_to_be_like(sizes, rng, more):
    like = [("a", "б" * size) for size in sizes]
    pairs = [(str(number), target) for number, (_, target) in enumerate(like)]
    pairs += [("more", "б" * rng.randint(1, 40)) for _ in range(more)] + [("far too long", "б")]
    rng.shuffle(pairs)
    drawn = match_pairs(pairs, like, lambda pair: len(pair[0]), 4, 1)
    assert len(set(drawn)) <= len(drawn) == len(like)
    assert set(drawn) <= set(pairs) - {("far too long", "б")}
    assert list(map(target_bytes, drawn)) == list(map(target_bytes, like))


@given(st.lists(st.integers(1, 30), min_size=1, max_size=9), st.lists(st.integers(1, 30), max_size=40))
def test_pairs_that_do_not_suffice_come_again_after_the_others(lengths, sizes):
    pairs = [(str(number), "б" * length) for number, length in enumerate(lengths)]
    drawn = match_pairs(pairs, [("a", "б" * size) for size in sizes], len, 2, 1)
    counts = [drawn.count(pair) for pair in pairs]
    assert sum(counts) == len(sizes)
    assert max(counts) - min(counts) <= 1
    with pytest.raises(UserError, match="none of"):
        match_pairs(pairs, pairs, len, 1, 1)


def test_back_translated_pairs_are_as_many_with_equal_bytes(models, tuned, tmp_path):
    """Other pairs than those of the bitext; of what a machine made, the sources do not count."""
    rows = [(str(number), "g", "c", "made by a machine", target) for number, (_, target) in enumerate(PAIRS)]
    (tmp_path / "made").mkdir()
    write_rows(tmp_path / "made" / "train.parquet", PAIR, rows)
    changed = models | {"bitext": tmp_path / "made", "equal_to": models["bitext"]}
    _, made = tune(changed, "hydra", tmp_path / "out")
    plain = tuned["hydra"][2]
    assert [made[key] for key in ("pairs", "steps")] == [plain[key] for key in ("pairs", "steps")]
    assert made["pairs_sha256"] != plain["pairs_sha256"]
    assert made["bytes"]["target"] == pytest.approx(plain["bytes"]["target"], rel=0.02)
    assert made["different_pairs"] <= made["pairs"]
    assert "different_pairs" not in plain


def test_the_rate_rises_and_falls_to_nothing():
    shares = np.array([rate_share(step, 100, 0.1) for step in range(100)])
    assert shares.argmax() == 10
    assert 0 < shares[0] < 0.15
    assert shares[-1] < 0.001
