"""What other programs rely on of benchmarks/training.py: it ends with one line of JSON."""

import json
import os
import subprocess
import sys

import pytest

from pipeline.provenance import ROOT

KEYS = {
    "device",
    "model",
    "tokens_per_s",
    "trainer_tokens_per_s",
    "speedup_against_trainer",
    "mfu",
    "peak_memory_gb",
    "trainer_peak_memory_gb",
}


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_last_line_is_json_with_these_keys(tmp_path):
    from transformers import LlamaConfig, LlamaForCausalLM

    sizes = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4}
    LlamaForCausalLM(LlamaConfig(vocab_size=320, max_position_embeddings=64, **sizes)).save_pretrained(tmp_path)
    small = ["--model", str(tmp_path), "--steps", "1", "--length", "16", "--batch", "1", "--micro-batch", "1"]
    command = [sys.executable, str(ROOT / "benchmarks" / "training.py"), "--json", *small]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    figures = json.loads(done.stdout.splitlines()[-1])
    assert set(figures) == KEYS
    assert figures["mfu"] is None  # no peak is known of a processor
    assert figures["speedup_against_trainer"] == pytest.approx(
        figures["tokens_per_s"] / figures["trainer_tokens_per_s"], abs=0.05
    )
    assert all(figures[name] > 0 for name in KEYS - {"device", "model", "mfu"})
