"""The order in which documents of two texts take turns."""

import numpy as np


def interleave(lengths: np.ndarray, replayed: np.ndarray, share: float) -> np.ndarray:
    """Return for each place of the mixed text whether a replayed document stands there, bool.

    `lengths` and `replayed` are the tokens of each document of the two texts, whose orders are kept. The replayed text
    gets its turn whenever it has less than its share of the tokens so far, so that every part of the training has the
    same mixture; what one text has left when the other is at its end comes last.

    >>> interleave(np.array([3, 3, 3]), np.array([2, 1]), share=0.25).tolist()
    [True, False, False, True, False]
    """
    turns, places, tokens = [], [0, 0], [0, 0]
    texts = (lengths.tolist(), replayed.tolist())
    while any(place < len(text) for place, text in zip(places, texts, strict=True)):
        behind = tokens[1] <= share * sum(tokens)
        turn = 1 if behind else 0
        if places[turn] == len(texts[turn]):
            turn = 1 - turn
        turns.append(turn == 1)
        tokens[turn] += texts[turn][places[turn]]
        places[turn] += 1
    return np.array(turns, dtype=bool)
