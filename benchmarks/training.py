"""Training speed: this project's loop against transformers' Trainer, same model, batches and precision, in one run.

    .venv/bin/python benchmarks/training.py [--json] [--model little|135m|7b|DIR] [--device cpu|cuda]
        [--compile off|on|both]

Each side runs in a process of its own, whose peak memory is its own. On a CPU both live at once and take their steps in
turns, each while the other waits, so that other programs slow both alike; on a GPU one comes after the other, as two
models may not fit. A side's speed is that of its median step. With `--compile both` each side runs with torch.compile
and without, a table compares like with like, and the JSON line has the best of each side.

The JSON line's `mfu` counts 6 operations a weight of a matrix product and token, and causal attention, but not what
activation checkpointing computes twice.
"""

import argparse
import json
import tempfile
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import Any

from training_sides import SIDES, make_model

from pipeline.config import load_config

PEAK_FLOPS = {"H200": 989e12, "H100": 989e12, "A100": 312e12}
"""Dense bfloat16 peaks; of a CPU none is known here."""
MODELS = {
    "little": {
        "vocab_size": 16000,
        "hidden_size": 256,
        "intermediate_size": 704,
        "num_hidden_layers": 8,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "tie_word_embeddings": True,
    },
    "135m": {  # SmolLM2-135M
        "vocab_size": 49152,
        "hidden_size": 576,
        "intermediate_size": 1536,
        "num_hidden_layers": 30,
        "num_attention_heads": 9,
        "num_key_value_heads": 3,
        "tie_word_embeddings": True,
    },
    "7b": {  # Mistral-7B
        "vocab_size": 32000,
        "hidden_size": 4096,
        "intermediate_size": 14336,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "tie_word_embeddings": False,
    },
}
"""Shapes of Llamas with random weights."""
SIZES = {
    ("cpu", "little"): {"length": 256, "batch": 4, "micro_batch": 4},
    ("cpu", "135m"): {"length": 256, "batch": 2, "micro_batch": 2},
    ("cuda", "little"): {"length": 1024, "batch": 32, "micro_batch": 32},
    ("cuda", "135m"): {"length": 2048, "batch": 32, "micro_batch": 16},
    ("cuda", "7b"): {"length": 4096, "batch": 8, "micro_batch": 2},
}
"""Sequences of so many tokens in an optimizer step, and in one forward pass."""
UNTIMED_STEPS = {"off": 1, "on": 2}
"""Allocation, warm-up of the kernels, compiling."""


class Runner:
    """One side in a process of its own, which takes a step when it is told to."""

    def __init__(self, side: str, compiled: str, options: argparse.Namespace) -> None:
        self.seconds: list[float] = []
        self._untimed = UNTIMED_STEPS[compiled]
        self._end, other = get_context("spawn").Pipe()
        given = (other, _config(compiled, options), options.model, options.steps + self._untimed)
        self._process = get_context("spawn").Process(target=SIDES[side], args=given)
        self._process.start()
        other.close()  # else the end of a process that died would never be noticed

    def step(self) -> None:
        """Have one step taken and timed, the first ones with those before that are not timed."""
        for _ in range(1 if self.seconds else 1 + self._untimed):
            self._end.send("step")
            taken = self._end.recv()
        self.seconds.append(taken)

    def result(self) -> dict[str, Any]:
        """End the process and return what it measured."""
        self._end.send("end")
        measured = self._end.recv()
        self._process.join()
        return measured | {"seconds": median(self.seconds)}


def main() -> None:
    """Run the sides and print a table; with --json a line of JSON after it."""
    options = _options()
    with tempfile.TemporaryDirectory() as folder:
        if options.model in MODELS:
            place = Path(folder) / "model"
            maker = get_context("spawn").Process(
                target=make_model, args=(MODELS[options.model], options.length, place, options.device)
            )
            maker.start()
            maker.join()
            options.model = str(place)
        modes = ("off", "on") if options.compile == "both" else (options.compile,)
        results = {mode: compare(mode, options) for mode in modes}
    for mode, sides in results.items():
        print(f"torch.compile {mode}: {_row(summary(sides['ours'], sides['trainer'], options))}")
    best = {
        side: min((sides[side] for sides in results.values()), key=lambda result: result["seconds"]) for side in SIDES
    }
    if options.json:
        print(json.dumps(summary(best["ours"], best["trainer"], options)))


def compare(compiled: str, options: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """Return what each side measured."""
    if options.device == "cuda":
        return {side: _alone(Runner(side, compiled, options), options.steps) for side in SIDES}
    runners = {side: Runner(side, compiled, options) for side in SIDES}
    for _ in range(options.steps):
        for runner in runners.values():
            runner.step()
    return {side: runner.result() for side, runner in runners.items()}


def _alone(runner: Runner, steps: int) -> dict[str, Any]:
    for _ in range(steps):
        runner.step()
    return runner.result()


def summary(ours: dict[str, Any], trainer: dict[str, Any], options: argparse.Namespace) -> dict[str, Any]:
    """Return the figures of a comparison; `mfu` is None where the device's peak is not known."""
    tokens = options.batch * options.length
    peak = next((flops for name, flops in PEAK_FLOPS.items() if name in ours["device"]), None)
    speed, other = tokens / ours["seconds"], tokens / trainer["seconds"]
    return {
        "device": ours["device"],
        "model": f"{ours['parameters'] / 1e6:.1f}M",
        "tokens_per_s": round(speed, 1),
        "trainer_tokens_per_s": round(other, 1),
        "speedup_against_trainer": round(speed / other, 3),
        "mfu": round(ours["flops_per_token"] * speed / peak, 4) if peak else None,
        "peak_memory_gb": round(ours["peak_memory_gb"], 3),
        "trainer_peak_memory_gb": round(trainer["peak_memory_gb"], 3),
    }


def _row(figures: dict[str, Any]) -> str:
    return ", ".join(f"{key} {value}" for key, value in figures.items())


def _config(compiled: str, options: argparse.Namespace) -> Any:
    """Return the project's configuration for a training of all weights in one phase, without its data and model."""
    phase = "{name: all, share: 1.0, train: all, learning_rate: 5e-5, embedding_learning_rate: 5e-5}"
    return load_config(
        [
            "language=dutch",
            f"cluster={'one_gpu' if options.device == 'cuda' else 'local'}",
            f"cluster.micro_batch={options.micro_batch}",
            f"cluster.compile={str(compiled == 'on').lower()}",
            f"cluster.activation_checkpointing={str(options.checkpointing).lower()}",
            f"training.sequence_length={options.length}",
            f"training.global_batch={options.batch}",
            f"training.threads={options.threads}",
            f"training.precision={options.precision}",
            "training.attention=causal",
            "training.schedule=constant",
            "training.warmup_share=0",
            "training.weight_decay=0",
            "training.validation_tokens=0",
            f"training.phases=[{phase}]",
        ]
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON line in the end")
    parser.add_argument("--model", default="little", help=f"{', '.join(MODELS)}, or a Hugging Face model folder")
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--compile", choices=["off", "on", "both"], help="else off on a CPU, both on a GPU")
    parser.add_argument("--precision", choices=["float32", "bfloat16"], help="else what is faster on the device")
    parser.add_argument("--checkpointing", action=argparse.BooleanOptionalAction, help="of activations; else at 7b")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--length", type=int, help="tokens in a sequence")
    parser.add_argument("--batch", type=int, help="sequences in an optimizer step")
    parser.add_argument("--micro-batch", type=int, help="sequences in one forward pass")
    parser.add_argument("--steps", type=int, help="timed steps of each side; else 12 on a CPU, 20 on a GPU")
    options = parser.parse_args()
    gpu = options.device == "cuda"
    chosen = {
        "compile": "both" if gpu else "off",
        "precision": "bfloat16" if gpu else "float32",
        "checkpointing": options.model == "7b",
        "steps": 20 if gpu else 12,
        **SIZES.get((options.device, options.model), SIZES[options.device, "135m"]),
    }
    for name, value in chosen.items():
        if getattr(options, name) is None:
            setattr(options, name, value)
    return options


if __name__ == "__main__":
    main()
