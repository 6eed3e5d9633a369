"""Outputs that no model of ours writes."""

from collections.abc import Mapping
from itertools import chain

import numpy as np

from pipeline.errors import UserError
from stages.evaluate_translation.line_sets import LineSet
from stages.shared.text_lines import TextFile, text_lines


def random_in_distribution(lines: LineSet, seed: int) -> list[str]:
    """Return for each line the reference of another, never its own text: the paper's RandomInDistribution.

    What a system gets for writing like the references, whatever the source says. They are drawn without replacement
    where all differ; else some may come twice. Raises ValueError where all are one text.
    """
    if not has_others(lines):
        raise ValueError(f"test set {lines.name!r} has one reference alone; only with two there is another's")
    order = np.random.default_rng(seed).permutation(len(lines.references))
    circle = [lines.references[number] for number in order]
    output = [""] * len(order)
    for place, number in enumerate(order):
        following = chain(circle[place + 1 :], circle[:place])
        output[number] = next(text for text in following if text != circle[place])
    return output


def has_others(lines: LineSet) -> bool:
    """Tell whether there are references of two texts, so that every line has another's."""
    return len(set(lines.references)) > 1


def outputs_from_files(
    given: Mapping[str, Mapping[str, TextFile]], sets: Mapping[str, LineSet]
) -> dict[tuple[str, str], list[str]]:
    """Return translations made elsewhere by set and system.

    Raises UserError where a file has another number of lines than its set.
    """
    found = {}
    for system, files in given.items():
        for name, file in files.items():
            lines, wanted = text_lines(file), len(sets[name].sources)
            if len(lines) != wanted:
                raise UserError(
                    f"{file.path} has {len(lines)} lines, test set '{name}' has {wanted}: translate the lines of "
                    f"sets/{name}.source.txt in the artifact `translation`, one a line"
                )
            found[name, system] = lines
    return found
