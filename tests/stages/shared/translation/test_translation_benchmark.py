"""The benchmark translates as the configuration says, in batches as line by line."""

import sys

import pytest

from pipeline.config import load_config
from pipeline.provenance import ROOT


@pytest.fixture
def benchmark(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    import translation

    monkeypatch.setattr(translation, "SIZES", translation.SIZES | {"hidden_size": 64, "num_hidden_layers": 2})
    yield translation
    del sys.modules["translation"]


def test_both_ways_are_timed_with_the_configurations_settings(benchmark, monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "argv", ["translation.py", "--lines", "4", "--share", "2", "--threads", "1"])
    options = benchmark._options()
    assert benchmark._settings(options) == load_config(["language=dutch", "translation.threads=1"]).translation
    figures = benchmark.measure(benchmark.random_hydra(tmp_path), options)
    assert (figures["lines_timed_one_by_one"], figures["same_translation"]) == (2, 2)
    assert figures["lines_per_s_batched"] > 0
