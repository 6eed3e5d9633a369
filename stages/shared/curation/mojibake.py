"""Text that was decoded with the wrong encoding."""

from collections import Counter

import numpy as np
from ftfy import fix_encoding
from ftfy.badness import is_bad

from stages.shared.curation.batch import Batch, Integers
from stages.shared.curation.characters import FAMILIAR, LONE_MOJIBAKE
from stages.shared.curation.rewriting import Edit, edited
from stages.shared.curation.settings import MojibakeSettings
from stages.shared.curation.verdict import Verdict
from stages.shared.normalisation import normalise
from stages.shared.text_settings import LanguageSettings

# No pattern of ftfy's looks further than this.
WINDOW = 8


def mojibake(batch: Batch, settings: MojibakeSettings, language: LanguageSettings) -> Verdict:
    """Repair the lines that show mojibake; counts them as `lines_repaired`."""
    edits: dict[int, list[Edit]] = {}
    for number in suspects(batch):
        start, end = batch.lines.starts[number], batch.lines.ends[number]
        line = batch.text(start, end)
        if is_bad(line) and (better := normalise(fix_encoding(line))) != line:
            document = int(batch.lines.documents[number])
            begin = int(start - batch.starts[document])
            edits.setdefault(document, []).append((begin, begin + len(line), better))
    texts = {document: edited(batch.texts[document], parts) for document, parts in edits.items()}
    return Verdict(texts=texts, counts=Counter(lines_repaired=sum(map(len, edits.values()))))


def suspects(batch: Batch) -> Integers:
    """Return the numbers of the lines worth a look; ftfy's own look at all of them is a hundred times as slow.

    Mojibake is two characters beyond ASCII in a row that are not both letters of Cyrillic, Greek or the like, or one
    that shows it by itself; and ftfy finds it bad as far as its neighbours.
    """
    beyond = batch.points > 127
    if not beyond.any():
        return np.zeros(0, np.int64)
    strange = beyond & ((batch.bits & FAMILIAR) == 0)
    pairs = beyond[1:] & beyond[:-1] & (strange[1:] | strange[:-1])
    places = np.flatnonzero(np.append(pairs, False) | ((batch.bits & LONE_MOJIBAKE) > 0))
    bad = [place for place in places.tolist() if is_bad(batch.text(max(place - WINDOW, 0), place + WINDOW))]
    return batch.pieces_at(batch.lines, np.array(bad, np.int64))
