"""grow-diag-final-and: the intersection of two alignments, grown along the diagonal into their union."""

import heapq

import numpy as np

NEIGHBOURS = ((-1, 0), (0, -1), (1, 0), (0, 1), (-1, -1), (-1, 1), (1, -1), (1, 1))
Point = tuple[int, int]


def grow_diag_final_and(forward: np.ndarray, reverse: np.ndarray) -> np.ndarray:
    """Return the symmetrised links of one sentence, booleans of the shape (source words, target words), as given.

    Koehn, Och and Marcu 2003: from the intersection on, neighbours of links that are in the union are added where a
    word of theirs has no link yet; then the links of each direction whose two words both have none. Passes go row by
    row, and what is added ahead of the place is seen in the same pass. A neighbour that was refused once stays so,
    since words only gain links: so only new links are looked at again.
    """
    links: np.ndarray = forward & reverse
    union = forward | reverse
    rows: np.ndarray = np.any(links, axis=1)
    columns: np.ndarray = np.any(links, axis=0)
    now: list[Point] = [(int(i), int(j)) for i, j in zip(*np.nonzero(links), strict=True)]
    later: list[Point] = []
    while now or later:
        if not now:
            now, later = later, []
            heapq.heapify(now)
        here = heapq.heappop(now)
        for i, j in ((here[0] + down, here[1] + right) for down, right in NEIGHBOURS):
            inside = 0 <= i < len(rows) and 0 <= j < len(columns)
            if inside and union[i, j] and not links[i, j] and not (rows[i] and columns[j]):
                links[i, j] = rows[i] = columns[j] = True
                heapq.heappush(now if (i, j) > here else later, (i, j))
    for direction in (forward, reverse):
        for i, j in zip(*np.nonzero(direction & ~links), strict=True):
            if not rows[i] and not columns[j]:
                links[i, j] = rows[i] = columns[j] = True
    return links
