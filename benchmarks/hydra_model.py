"""A Hydra model against the plain model that it is made of, the same ids: seconds of forward and generate, and size.

    .venv/bin/python benchmarks/hydra_model.py [--json] [--hydra DIR --plain DIR] [--device cpu|cuda]

Without folders a random model of a few million weights. On a processor the seconds are the processor's. The two take
turns, so that what else the machine does hits both; a ratio is the median over the turns. Fails where a logit or token
differs, or where the Hydra model has another number of weights than the plain one and the rows that were added.
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from translation import random_hydra


def main() -> None:
    """Measure, and print a table, or with --json one line."""
    options = _options()
    with tempfile.TemporaryDirectory() as folder:
        hydra = Path(options.hydra) if options.hydra else random_hydra(Path(folder))
        figures = measure(hydra, Path(options.plain) if options.hydra else Path(folder) / "tt", options)
    print(json.dumps(figures) if options.json else "\n".join(f"{key:28} {value}" for key, value in figures.items()))


@torch.inference_mode()
def measure(hydra: Path, plain: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Return milliseconds of both models, their ratio, and their weights."""
    from stages.shared.hydra.loading import load_translator

    models = [load_translator(folder, device=options.device, threads=options.threads)[0] for folder in (plain, hydra)]
    config = models[1].config
    torch.manual_seed(1)
    # Ids of the output vocabulary, which both read, without the special tokens that vocabularies begin with.
    ids = torch.randint(10, config.vocabularies[0]["size"], (options.sequences, options.tokens)).to(options.device)
    length = {"min_new_tokens": options.new_tokens, "max_new_tokens": options.new_tokens}
    asked = {"attention_mask": torch.ones_like(ids), "do_sample": False, "pad_token_id": 0, **length}
    figures: dict[str, Any] = {
        "device": torch.cuda.get_device_name() if options.device == "cuda" else "cpu",
        "ids": f"{options.sequences} x {options.tokens}",
        "new_tokens": options.new_tokens,
    }
    for name, work in (("forward", lambda one: one(ids).logits), ("generate", lambda one: one.generate(ids, **asked))):
        results, seconds = by_turns([lambda one=one, work=work: work(one) for one in models], options.turns)
        assert torch.equal(*results), f"{name} gives something else"
        figures |= {f"{name}_ms_{kind}": _ms(times) for kind, times in zip(("plain", "hydra"), seconds, strict=True)}
        figures[f"{name}_ratio"] = round(statistics.median(b / a for a, b in zip(*seconds, strict=True)), 3)
    return figures | weights_of(*models)


def weights_of(plain: Any, hydra: Any) -> dict[str, int]:
    """Return how many weights the two have, and how many are the other vocabularies' rows and heads."""
    counts = [sum(weight.numel() for weight in one.parameters()) for one in (plain, hydra)]
    rows = sum(one["size"] * (1 if one["tied"] else 2) for one in hydra.config.vocabularies[1:])
    added = rows * hydra.config.base.hidden_size
    assert counts[1] == counts[0] + added, "more weights than rows were added"
    return {"weights_plain": counts[0], "weights_hydra": counts[1], "weights_added": added}


def by_turns(works: list[Callable[[], Any]], turns: int) -> tuple[list[Any], list[list[float]]]:
    """Return what each work gives, and its seconds of each turn; every second turn is in the other order."""
    clock = time.perf_counter if torch.cuda.is_available() else time.process_time
    results, seconds = [work() for work in works], [list[float]() for _ in works]
    for turn in range(turns):
        for place in range(len(works))[:: -1 if turn % 2 else 1]:
            began = clock()
            works[place]()
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            seconds[place].append(clock() - began)
    return results, seconds


def _ms(seconds: list[float]) -> float:
    return round(1000 * statistics.median(seconds), 1)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="one line of JSON")
    parser.add_argument("--hydra", help="folder of a Hydra model, such as artifacts/dutch/latest/hydra_model")
    parser.add_argument("--plain", help="folder of the model whose body it has: artifacts/dutch/latest/adapted_model")
    parser.add_argument("--sequences", type=int, default=4)
    parser.add_argument("--tokens", type=int, default=64, help="of each sequence")
    parser.add_argument("--new-tokens", type=int, default=32)
    parser.add_argument("--turns", type=int, default=10)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    options = parser.parse_args()
    if bool(options.hydra) != bool(options.plain):
        parser.error("--hydra and --plain go together")
    return options


if __name__ == "__main__":
    main()
