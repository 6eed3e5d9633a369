"""Runs fast_align in a process of its own: arguments are input, output, iterations."""

import sys

import systran_align

if __name__ == "__main__":
    pairs, table, iterations = sys.argv[1:]
    # Unpruned: the pruning of the original comes after the expected counts. An empty name skips the other direction.
    systran_align.generate_alignment_probabilities(
        pairs, table, "", iterations=int(iterations), beam_threshold=-1000.0, favor_diagonal=False
    )
