"""Training speed: this project's loop against transformers' Trainer, same model, batches and precision, in one run.

    .venv/bin/python benchmarks/training.py [--json] [--model DIR] [--steps N] [--device cpu|cuda]

Each side runs in a process of its own, in turns; the best turn of each counts, since other programs only ever slow one
down. The first steps of a turn (allocation, warm-up of the kernels) are not timed.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

UNTIMED_STEPS = 1
PEAK_FLOPS = {"H200": 989e12, "H100": 989e12, "A100": 312e12}
"""Dense bfloat16 peaks; of a CPU none is known here."""
RANDOM_MODEL = {
    "vocab_size": 16000,
    "hidden_size": 256,
    "intermediate_size": 704,
    "num_hidden_layers": 8,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 1024,
    "tie_word_embeddings": True,
}


def main() -> None:
    """Run the turns and print a table, or with --json one line."""
    options = _options()
    if options.turn:
        print(json.dumps({"ours": run_ours, "trainer": run_trainer}[options.turn](options)))
        return
    with tempfile.TemporaryDirectory() as folder:
        options.model = options.model or str(_random_model(Path(folder) / "model"))
        turns = [(side, _turn(side, options)) for _ in range(options.turns) for side in ("ours", "trainer")]
    best = {
        side: max((result for name, result in turns if name == side), key=lambda result: result["tokens_per_s"])
        for side in ("ours", "trainer")
    }
    figures = summary(best["ours"], best["trainer"])
    print(json.dumps(figures) if options.json else "\n".join(f"{key:26} {value}" for key, value in figures.items()))


def summary(ours: dict[str, Any], trainer: dict[str, Any]) -> dict[str, Any]:
    """Return the figures of the comparison; `mfu` is None where the device's peak is not known."""
    peak = next((flops for name, flops in PEAK_FLOPS.items() if name in ours["device"]), None)
    # Forward and backward: 6 operations a weight and token.
    used = 6 * ours["parameters"] * ours["tokens_per_s"]
    return {
        "device": ours["device"],
        "model": f"{ours['parameters'] / 1e6:.1f}M",
        "tokens_per_s": round(ours["tokens_per_s"], 1),
        "trainer_tokens_per_s": round(trainer["tokens_per_s"], 1),
        "speedup_against_trainer": round(ours["tokens_per_s"] / trainer["tokens_per_s"], 3),
        "mfu": round(used / peak, 4) if peak else None,
        "peak_memory_gb": round(ours["peak_memory_gb"], 3),
        "trainer_peak_memory_gb": round(trainer["peak_memory_gb"], 3),
    }


def run_ours(options: argparse.Namespace) -> dict[str, Any]:
    """Train with the project's loop: full model, one phase."""
    import numpy as np

    from stages.continue_pretraining.loop import Training, start_phase, take_step
    from stages.shared.training.batches import Blocks, make_share
    from stages.shared.training.parameters import make_groups, make_optimizer
    from stages.shared.training.schedule import make_schedule
    from stages.shared.training.setup import load_model, make_accelerator

    settings = _settings(options)
    accelerator = make_accelerator(settings, _execution(options))
    model = load_model(Path(options.model), settings, accelerator.device)
    groups = make_groups(model, settings)
    tokens = np.array(_tokens(options, model.config.vocab_size))
    training = Training(
        accelerator=accelerator,
        model=model,
        groups=groups,
        optimizer=make_optimizer(model, groups, settings),
        schedule=make_schedule(settings, options.steps),
        data=Blocks(tokens, np.zeros(1, dtype=np.int64), options.length, by_document=False),
        share=make_share(options.batch, options.micro_batch, 0, 1),
        checkpoints=Path("unused"),
        checkpoint_seconds=float("inf"),
    )
    module, weights = start_phase(training, 0)
    marks = []
    for step in range(options.steps):
        take_step(training, module, weights, step)
        marks.append(_now(options))
    return _result(options, model, marks)


def run_trainer(options: argparse.Namespace) -> dict[str, Any]:
    """Train with transformers' Trainer: SDPA, fused AdamW, the same sequences."""
    import torch
    from transformers import AutoModelForCausalLM, Trainer, TrainerCallback, TrainingArguments

    torch.manual_seed(1)
    model: Any = AutoModelForCausalLM.from_pretrained(options.model, dtype=torch.float32, attn_implementation="sdpa")
    tokens, length = _tokens(options, model.config.vocab_size), options.length
    rows = [tokens[place * length : (place + 1) * length] for place in range(options.steps * options.batch)]
    marks: list[float] = []

    class Clock(TrainerCallback):
        """Notes when each step was over."""

        def on_step_end(self, *_: Any, **__: Any) -> None:
            """Note the time."""
            marks.append(_now(options))

    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            folder,
            per_device_train_batch_size=options.micro_batch,
            gradient_accumulation_steps=options.batch // options.micro_batch,
            max_steps=options.steps,
            optim="adamw_torch_fused",
            bf16=options.precision == "bfloat16",
            use_cpu=options.device == "cpu",
            save_strategy="no",
            logging_strategy="no",
            report_to=[],
            disable_tqdm=True,
            dataloader_pin_memory=options.device == "cuda",
        )
        torch.set_num_threads(options.threads)
        data = [{"input_ids": torch.tensor(row), "labels": torch.tensor(row)} for row in rows]
        Trainer(model=model, args=arguments, train_dataset=data, callbacks=[Clock()]).train()
    return _result(options, model, marks)


def _settings(options: argparse.Namespace) -> Any:
    from stages.shared.training.settings import TrainingSettings

    return TrainingSettings.model_validate(
        {
            "tokens": 1,
            "sequence_length": options.length,
            "global_batch": options.batch,
            "seed": 1,
            "threads": options.threads,
            "precision": options.precision,
            "attention": "causal",
            "max_grad_norm": 1.0,
            "weight_decay": 0.0,
            "betas": [0.9, 0.999],
            "warmup_share": 0.0,
            "schedule": "constant",
            "decay_share": 0.0,
            "min_learning_rate_share": 0.0,
            "validation_tokens": 0,
            "phases": [
                {
                    "name": "all",
                    "share": 1.0,
                    "train": "all",
                    "learning_rate": 5e-5,
                    "embedding_learning_rate": 5e-5,
                }
            ],
            "skipping": {"most_in_a_row": 5, "spikes": None},
            "watch": None,
        }
    )


def _execution(options: argparse.Namespace) -> Any:
    from pipeline.stage import Execution

    return Execution(
        workers=1,
        array=None,
        device=options.device,
        micro_batch=options.micro_batch,
        checkpoint_seconds=float("inf"),
        kept_checkpoints=2,
        peak_flops_per_second=None,
        downloads=Path("unused"),
        tracking=None,
        tracking_project="",
        tracking_entity=None,
        run_name="",
        logs=None,
        debian_mirror=None,
    )


def _tokens(options: argparse.Namespace, vocabulary: int) -> list[int]:
    import numpy as np

    generator = np.random.default_rng(1)
    return generator.integers(0, vocabulary, options.steps * options.batch * options.length + 1).tolist()


def _now(options: argparse.Namespace) -> float:
    if options.device == "cuda":
        import torch

        torch.cuda.synchronize()
    return time.perf_counter()


def _result(options: argparse.Namespace, model: Any, marks: list[float]) -> dict[str, Any]:
    import torch

    timed = len(marks) - UNTIMED_STEPS
    seconds = marks[-1] - marks[UNTIMED_STEPS - 1]
    gpu = options.device == "cuda"
    peak = torch.cuda.max_memory_allocated() if gpu else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {
        "tokens_per_s": timed * options.batch * options.length / seconds,
        "peak_memory_gb": peak / 1e9,
        "parameters": sum(weight.numel() for weight in model.parameters()),
        "device": torch.cuda.get_device_name() if gpu else f"cpu, {options.threads} threads",
    }


def _turn(side: str, options: argparse.Namespace) -> dict[str, Any]:
    values = {name: value for name, value in vars(options).items() if name not in ("turn", "json", "turns")}
    given = [f"--{name.replace('_', '-')}={value}" for name, value in values.items()]
    command = [sys.executable, __file__, f"--turn={side}", *given]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def _random_model(folder: Path) -> Path:
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(1)
    LlamaForCausalLM(LlamaConfig(**RANDOM_MODEL)).save_pretrained(folder)
    return folder


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON line")
    parser.add_argument("--model", help="a Hugging Face model folder; else a random Llama of 10M weights")
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--precision", default="float32", choices=["float32", "bfloat16"])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--length", type=int, default=256, help="tokens in a sequence")
    parser.add_argument("--batch", type=int, default=4, help="sequences in an optimizer step")
    parser.add_argument("--micro-batch", type=int, default=4, help="sequences in one forward pass")
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--turns", type=int, default=2)
    parser.add_argument("--turn", choices=["ours", "trainer"], help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
