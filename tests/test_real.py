"""The default runs on the real model and real text: `make test-slow`; some ten minutes a language on two cores."""

import json
import subprocess
import sys

import pytest

from pipeline.provenance import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.network, pytest.mark.timeout(5400)]


@pytest.mark.parametrize("language", ["dutch", "tatar"])
def test_adapted_is_better_than_mapped_and_mapped_than_random(language, tmp_path):
    overrides = [f"language={language}", "evaluation.baselines=[]", f"machine.artifacts={tmp_path}"]
    done = subprocess.run(
        [sys.executable, "-m", "pipeline", "adapt", *overrides], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-3000:]
    results = json.loads((tmp_path / language / "latest" / "results.json").read_text())
    bits = {system["name"]: system["bits_per_byte"] for system in results["systems"]}
    assert bits["adapted"] < bits["mapped"] < bits["random"]
    assert bits["adapted"] < bits["source"]
