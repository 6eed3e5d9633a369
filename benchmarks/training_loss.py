"""Memory and time of the chunked cross-entropy against torch's, on the same hidden states and table.

    .venv/bin/python benchmarks/training_loss.py [--vocabulary 32768 65536] [--chunked-only] [--precision bfloat16]

Each measurement runs in a process of its own: its peak resident size, less what it held before the loss, forward and
backward with the gradients of hidden states and table.
"""

import argparse
import time
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any


def main() -> None:
    """Print a row for each vocabulary."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vocabulary", type=int, nargs="+", default=[32768])
    parser.add_argument("--tokens", type=int, default=8192)
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--precision", choices=["float32", "bfloat16"], default="float32", help="bfloat16: autocast")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--chunked-only", action="store_true", help="where torch's would not fit")
    options = parser.parse_args()
    for vocabulary in options.vocabulary:
        chunked = _measured("chunked", vocabulary, options)
        print(f"{vocabulary}: chunked {_row(chunked)}", flush=True)
        if not options.chunked_only:
            plain = _measured("plain", vocabulary, options)
            ratio = chunked["bytes"] / plain["bytes"]
            apart = max(abs(chunked[name] / plain[name] - 1) for name in ("loss", "hidden_norm", "table_norm"))
            print(f"{vocabulary}: plain {_row(plain)}; memory {ratio:.3f} of it, figures apart by {apart:.1e}")


def measure(end: Connection, loss: str, vocabulary: int, options: argparse.Namespace) -> None:
    """Send what one loss took."""
    import torch
    from torch.nn import functional

    from stages.shared.training.loss import summed_loss

    torch.set_num_threads(options.threads)
    generator = torch.Generator().manual_seed(1)
    hidden = torch.randn(options.tokens, options.width, generator=generator).requires_grad_()
    table = (torch.randn(vocabulary, options.width, generator=generator) / 16).requires_grad_()
    labels = torch.randint(0, vocabulary, (options.tokens,), generator=generator)
    held = _resident("VmRSS")
    began = time.perf_counter()
    with torch.autocast("cpu", torch.bfloat16, enabled=options.precision == "bfloat16"):
        if loss == "chunked":
            value = summed_loss(hidden, table, labels)
        else:
            value = functional.cross_entropy((hidden @ table.T).float(), labels, reduction="sum")
    (value / options.tokens).backward()
    end.send(
        {
            "seconds": time.perf_counter() - began,
            "bytes": _resident("VmHWM") - held,
            "loss": float(value.detach()),
            "hidden_norm": float(hidden.grad.double().norm()),  # type: ignore[union-attr]
            "table_norm": float(table.grad.double().norm()),  # type: ignore[union-attr]
        }
    )


def _measured(loss: str, vocabulary: int, options: argparse.Namespace) -> dict[str, Any]:
    context = get_context("spawn")
    end, other = context.Pipe()
    process = context.Process(target=measure, args=(other, loss, vocabulary, options))
    process.start()
    other.close()  # else the end of a process that died would never be noticed
    taken: dict[str, Any] = end.recv()
    process.join()
    return taken


def _row(taken: dict[str, Any]) -> str:
    return f"{taken['bytes'] / 1e6:.0f} MB, {taken['seconds']:.1f} s"


def _resident(key: str) -> int:
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(key)) * 1024


if __name__ == "__main__":
    main()
