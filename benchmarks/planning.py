"""Planning: what `make plan` would say of a short training on this machine against what the training measures.

    .venv/bin/python benchmarks/planning.py [--json] [--width 512] [--layers 8] [--device cpu|cuda]

Runs benchmarks/training.py on a randomly initialised Llama and prints planned and measured tokens a second and memory,
with their ratios. A GPU's facts are those of conf/planning; a processor's are measured here, just before: operations
of a large matrix product and bytes of a copy, with the training's threads. Planned is with the utilisation of
conf/planning, so a ratio above 1 says that the machine reaches a larger share of its peak.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from pipeline import roofline
from pipeline.config import load_config
from pipeline.roofline import Batches, Gpu, MemoryFacts, Shape
from pipeline.training_plan import MOMENTS

TRAINING = Path(__file__).with_name("training.py")
HEADS = 8
MATRIX, COPIED_BYTES, REPEATS = 2048, 256 * 2**20, 5
BYTES = {"float32": 4, "bfloat16": 2}
STARTED = """
import resource, torch, accelerate, transformers.models.llama.modeling_llama
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def main() -> None:
    """Measure, plan, and print a table, or with --json one line."""
    options = _options()
    with tempfile.TemporaryDirectory() as folder:
        shape = make_model(options, Path(folder))
        machine, reserved, name = facts(options)
        measured = train(options, Path(folder))
    figures = {"device": measured["device"], "facts": name, **compare(options, shape, machine, reserved, measured)}
    print(json.dumps(figures) if options.json else "\n".join(f"{key:24} {value}" for key, value in figures.items()))


def compare(
    options: argparse.Namespace, shape: Shape, machine: Gpu, reserved: float, measured: dict[str, Any]
) -> dict[str, Any]:
    """Return planned and measured figures; a ratio is measured over planned."""
    from stages.shared.training.loss import CHUNK_BYTES  # torch comes with it

    planning = load_config(["language=dutch"]).planning
    batches = Batches(options.length, options.batch, options.micro_batch, processes=1)
    step = roofline.step_seconds(shape, "all", batches, machine.reaching(planning.utilisation))
    rate = roofline.tokens_per_second(step, batches)
    parts = MemoryFacts(
        moments=MOMENTS["adamw"],
        compute_bytes=BYTES[options.precision],
        activation_bytes=planning.activation_bytes[options.precision],
        frozen_activation_bytes=planning.frozen_activation_bytes[options.precision],
        chunk_bytes=CHUNK_BYTES[options.device],
        reserved_bytes=reserved,
    )
    planned_gb = roofline.memory(shape, "all", batches, parts).total / 1e9
    used = roofline.flops_per_token(shape, "all", options.length, checkpointing=False) * measured["tokens_per_s"]
    return {
        "weights": shape.parameters,
        "peak_flops_per_s": f"{machine.flops_per_second:.3g}",
        "bytes_per_s": f"{machine.bytes_per_second:.3g}",
        "planned_utilisation": planning.utilisation,
        "measured_utilisation": round(used / machine.flops_per_second, 3),
        "planned_tokens_per_s": round(rate, 1),
        "tokens_per_s": measured["tokens_per_s"],
        "tokens_ratio": round(measured["tokens_per_s"] / rate, 3),
        "planned_memory_gb": round(planned_gb, 3),
        "memory_gb": measured["peak_memory_gb"],
        "memory_ratio": round(measured["peak_memory_gb"] / planned_gb, 3),
    }


def make_model(options: argparse.Namespace, folder: Path) -> Shape:
    """Write a random Llama with a head of its own, and return its shape."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(1)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=options.vocabulary,
            hidden_size=options.width,
            intermediate_size=options.width * 7 // 2,
            num_hidden_layers=options.layers,
            num_attention_heads=HEADS,
            num_key_value_heads=HEADS // 4,
            max_position_embeddings=options.length,
            tie_word_embeddings=False,
        )
    )
    model.save_pretrained(folder)
    weights = sum(weight.numel() for weight in model.parameters())
    return roofline.make_shape(weights, options.vocabulary, options.width, options.layers, tied=False)


def facts(options: argparse.Namespace) -> tuple[Gpu, float, str]:
    """Return what the device can do, the bytes that a process takes before any model, and where that is known from.

    Raises SystemExit for a GPU that conf/planning does not have.
    """
    import torch

    if options.device == "cpu":
        torch.set_num_threads(options.threads)
        started = subprocess.run([sys.executable, "-c", STARTED], stdout=subprocess.PIPE, text=True, check=True)
        return processor(getattr(torch, options.precision)), int(started.stdout) * 1024, "measured in this run"
    device = torch.cuda.get_device_name()
    gpus = load_config(["language=dutch"]).planning.gpus
    name = next((name for name in gpus if name.upper() in device.upper()), None)
    if name is None:
        raise SystemExit(f"conf/planning/default.yaml has no facts of {device}; it has {', '.join(gpus)}")
    found = gpus[name]
    return Gpu(found.flops_per_second[options.precision], found.bytes_per_second, found.memory_gb * 1e9), 0.0, name


def processor(dtype: Any) -> Gpu:
    """Return the operations and bytes a second that torch reaches here, the best of some tries."""
    import torch

    square = torch.rand(MATRIX, MATRIX).to(dtype)
    source = torch.empty(COPIED_BYTES, dtype=torch.uint8)
    target = torch.empty_like(source)
    product = min(_seconds(lambda: square @ square) for _ in range(REPEATS))
    copy = min(_seconds(lambda: target.copy_(source)) for _ in range(REPEATS))
    # A copy reads and writes.
    return Gpu(
        2 * MATRIX**3 / product, 2 * COPIED_BYTES / copy, os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    )


def _seconds(work: Any) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def train(options: argparse.Namespace, model: Path) -> dict[str, Any]:
    """Return what benchmarks/training.py says of a training with these options."""
    names = ("device", "precision", "threads", "length", "batch", "micro_batch", "steps")
    given = [f"--{name.replace('_', '-')}={getattr(options, name)}" for name in names]
    command = [sys.executable, str(TRAINING), "--json", f"--model={model}", *given]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON line")
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--precision", default="float32", choices=["float32", "bfloat16"])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--width", type=int, default=512)
    parser.add_argument("--layers", type=int, default=8)
    parser.add_argument("--vocabulary", type=int, default=16000)
    parser.add_argument("--length", type=int, default=256, help="tokens in a sequence")
    parser.add_argument("--batch", type=int, default=4, help="sequences in an optimizer step")
    parser.add_argument("--micro-batch", type=int, default=4, help="sequences in one forward pass")
    parser.add_argument("--steps", type=int, default=4)
    return parser.parse_args()


if __name__ == "__main__":
    main()
