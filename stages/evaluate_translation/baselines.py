"""Outputs that no model of ours writes."""

from collections.abc import Mapping

import numpy as np

from pipeline.errors import UserError
from stages.evaluate_translation.line_sets import LineSet
from stages.shared.text_lines import TextFile, text_lines


def random_in_distribution(lines: LineSet, seed: int) -> list[str]:
    """Return for each line the reference of another, drawn without replacement: the paper's RandomInDistribution.

    What a system gets for writing like the references, whatever the source says. Raises ValueError for fewer than two
    lines, of which none has another.
    """
    if len(lines.references) < 2:
        raise ValueError(f"test set {lines.name!r} has no two lines; only with two there is a reference of another")
    order = np.random.default_rng(seed).permutation(len(lines.references))
    output = [""] * len(order)
    # In a circle through all lines none gets its own.
    for place, number in enumerate(order):
        output[number] = lines.references[order[(place + 1) % len(order)]]
    return output


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
