"""ChrF of candidates with each other, against sacrebleu called for each pair: `python benchmarks/mbr.py FILE.txt`.

The candidates of one line of the text are the line with some words left out or moved, as drawn translations are alike.
Prints a table in Markdown; fails where the two differ by more than 1e-9, or the ratio is below 50 at 64 candidates.
"""

import argparse
import random
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from sacrebleu.metrics import CHRF

from stages.shared.decoding.minimum_bayes_risk import pairwise_chrf

SIZES, ASKED = (8, 64), 50
REPEATS = 20


def main() -> None:
    """Measure and print."""
    command = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    command.add_argument("text", type=Path, help="UTF-8, one sentence a line; the one of median length is taken")
    lines = command.parse_args().text.read_text(encoding="utf-8").splitlines()
    line = sorted((line for line in lines if line.strip()), key=len)[len(lines) // 2]
    generator = random.Random(1)
    print(f"Candidates like a line of {len(line)} characters:\n")
    print("| candidates | ms, median | ms, sacrebleu by pairs | ratio | largest difference |\n|---|---|---|---|---|")
    for size in SIZES:
        texts = [changed(line, generator) for _ in range(size)]
        by_pairs, slow = timed(lambda texts=texts: brute_force(texts), 1)
        fast_result, fast = timed(lambda texts=texts: pairwise_chrf(texts), REPEATS)
        difference = float(abs(by_pairs - fast_result).max())
        print(f"| {size} | {1000 * fast:.2f} | {1000 * slow:.1f} | {slow / fast:.0f} | {difference:.1e} |")
        assert difference <= 1e-9, "the scores are not sacrebleu's"
        assert size < max(SIZES) or slow / fast >= ASKED, f"less than {ASKED} times as fast"


def changed(line: str, generator: random.Random) -> str:
    """Return the line without about a fifth of its words, two of them exchanged."""
    words = [word for word in line.split() if generator.random() > 0.2] or line.split()
    first, second = (generator.randrange(len(words)) for _ in range(2))
    words[first], words[second] = words[second], words[first]
    return " ".join(words)


def brute_force(texts: list[str]) -> np.ndarray:
    """Return the scores as sacrebleu gives them for one pair at a time."""
    chrf = CHRF()
    return np.array([[chrf.sentence_score(text, [other]).score for other in texts] for text in texts])


def timed(work: Callable[[], np.ndarray], repeats: int) -> tuple[np.ndarray, float]:
    """Return the result and the median seconds."""
    seconds = []
    for _ in range(repeats):
        began = time.perf_counter()
        result = work()
        seconds.append(time.perf_counter() - began)
    return result, statistics.median(seconds)


if __name__ == "__main__":
    main()
