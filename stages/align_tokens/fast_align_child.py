"""Runs fast_align in a process of its own: arguments are input, the two outputs (the second may be ''), iterations."""

import sys

import systran_align

if __name__ == "__main__":
    pairs, table, reverse, iterations = sys.argv[1:]
    # Unpruned, since the original prunes after the expected counts. fast_align drops log P below -beam x the word's
    # best log P, so that -1000 would still drop 0.0025 beside 0.9975. It trains the other direction in any case;
    # an empty name only keeps that from being written.
    systran_align.generate_alignment_probabilities(
        pairs, table, reverse, iterations=int(iterations), beam_threshold=-1e30, favor_diagonal=False
    )
