"""The disk and time of a training's text, told before anything runs: a corpus that holds it, its tokens, twice."""

from collections import namedtuple
from functools import cache

import pytest

from pipeline import estimate, graph
from pipeline.config import load_config
from pipeline.errors import UserError
from pipeline.ingest_disk import TEXT_DISK
from pipeline.sources import current_lock

LARGE = ("language=dutch", "corpus=open", "training.tokens=32000000000", "machine.artifacts=/nowhere")
KEPT = ("mapping=keep", "base_model=llama2_7b")
USUAL_CORPUS, USUAL_PACKED = 20_000_000, 1_000_000
Usage = namedtuple("Usage", "free")


@cache
def planned(*overrides):
    config = load_config(overrides)
    return [(step, config) for step in graph.adapt(config, current_lock(config))]


def costs(*overrides):
    return {step.name: estimate.estimate(step, config) for step, config in planned(*overrides)}


def test_packed_tokens_take_two_or_four_bytes_each_and_as_much_again_meanwhile():
    for base_model, width in (("llama2_7b", 2), ("llama3_8b", 4)):  # 32,000 ids and 128,256
        packed = costs(*LARGE, "mapping=keep", f"base_model={base_model}")["packed_tokens"]
        assert packed.passing_bytes == 32e9 * width
        assert packed.disk_bytes == 2 * 32e9 * width + USUAL_PACKED
        assert packed.seconds > 3600


def test_the_same_text_is_counted_in_the_tokens_of_each_tokenizer():
    both = costs(*LARGE, "base_model=llama3_8b", "tokenizer.vocabulary_size=32000", "planning.source_token_ratio=1.5")
    assert both["packed_tokens"].passing_bytes == 2 * 32e9
    assert both["source_tokens"].passing_bytes == 4 * 1.5 * 32e9


def test_replayed_text_is_packed_and_mixed():
    mixed = costs(*LARGE, "replay=packaged", "replay.share=0.25")
    assert mixed["packed_tokens_alone"].passing_bytes == 0.75 * 2 * 32e9
    assert mixed["packed_tokens_replay"].passing_bytes == 0.25 * 2 * 32e9
    assert mixed["packed_tokens"].disk_bytes == pytest.approx(2 * 32e9, rel=0.001)
    assert mixed["packed_tokens"].passing_bytes == 0
    assert mixed["corpus"].disk_bytes == USUAL_CORPUS + round(TEXT_DISK * 0.75 * 32e9 * 4.5)


def test_a_corpus_of_unknown_size_holds_what_the_training_reads():
    kept, new = costs(*LARGE, *KEPT)["corpus"], costs(*LARGE)["corpus"]
    assert kept.disk_bytes == USUAL_CORPUS + round(TEXT_DISK * 32e9 * 2.5)  # more tokens for the same text
    assert new.disk_bytes == USUAL_CORPUS + round(TEXT_DISK * 32e9 * 4.5)
    assert kept.seconds < new.seconds
    jobs = costs(*LARGE, "cluster=slurm", "cluster.array.parallel=500")["corpus"]
    assert jobs.seconds < new.seconds / 100
    known = costs(*LARGE, "corpus.cards=[fineweb_2]", "+hub.first_bytes.fineweb_2=1000000")["corpus"]
    assert known.disk_bytes == USUAL_CORPUS + TEXT_DISK * 1_000_000


def test_the_default_run_is_planned_as_small_as_it_is():
    cost = costs("language=dutch", "machine.artifacts=/nowhere")
    assert (cost["corpus"].disk_bytes, cost["corpus"].seconds) == (USUAL_CORPUS, 60)
    for name in ("packed_tokens", "source_tokens"):
        assert cost[name].disk_bytes < 2 * USUAL_PACKED
        assert cost[name].seconds < 10


def test_a_disk_too_small_for_the_tokens_is_refused_before_anything_runs(monkeypatch):
    steps = [(step, config) for step, config in planned(*LARGE, *KEPT) if step.name == "packed_tokens"]
    monkeypatch.setattr(estimate.shutil, "disk_usage", lambda folder: Usage(127e9))
    with pytest.raises(UserError, match=r"needs about 128\.0 GB of disk, and 127\.0 GB are free"):
        estimate.check_disk(steps)
    monkeypatch.setattr(estimate.shutil, "disk_usage", lambda folder: Usage(129e9))
    estimate.check_disk(steps)
