"""What can be said of translations beside their scores: are they of the right length and language, loops, copies?"""

from collections.abc import Sequence

from stages.shared.curation.language import identify
from stages.shared.language_identification import KNOWN, letters, script_share
from stages.shared.text_settings import LanguageSettings

BLOCK_LETTERS = 120
"""Lines are judged together until they have so many: lid.176 cannot tell the language of a few words."""
GRAM_WORDS = 3


def output_facts(
    outputs: Sequence[str], sources: Sequence[str], references: Sequence[str], language: LanguageSettings
) -> dict[str, float | None]:
    """Return the facts of a system's output, shares from 0 to 1.

    `length_ratio`: characters of the output over those of the references. `language_share`: of the blocks that lid.176
    takes for the language, None where it does not know it or there is too little text. `script_share`: of the letters.
    `repetition`: of the runs of three words in a line those that stood in it before. `copied`: of the lines those equal
    to their source, capitals and spaces aside. `empty`: of the lines.
    """
    count = len(outputs)
    return {
        "length_ratio": sum(map(len, outputs)) / max(sum(map(len, references)), 1),
        "language_share": language_share(outputs, language.code),
        "script_share": script_share("\n".join(outputs), language.script),
        "repetition": repetition(outputs),
        "copied": sum(_plain(one) == _plain(other) for one, other in zip(outputs, sources, strict=True)) / count,
        "empty": sum(not output.strip() for output in outputs) / count,
    }


def language_share(outputs: Sequence[str], code: str) -> float | None:
    """Return the share of blocks of lines that are taken for the language."""
    if code not in KNOWN:
        return None
    blocks, block = list[str](), list[str]()
    for output in outputs:
        block.append(output)
        if letters(" ".join(block)) >= BLOCK_LETTERS:
            blocks.append(" ".join(" ".join(block).split()))
            block = []
    return sum(identify(text).code == code for text in blocks) / len(blocks) if blocks else None


def repetition(outputs: Sequence[str]) -> float:
    """Return the share of runs of three words that stood in their line before.

    >>> repetition(["een huis is een huis is een huis"]), repetition(["een huis en een boom"])
    (0.5, 0.0)
    """
    runs = repeated = 0
    for output in outputs:
        words = output.split()
        grams = [tuple(words[place : place + GRAM_WORDS]) for place in range(len(words) - GRAM_WORDS + 1)]
        runs += len(grams)
        repeated += len(grams) - len(set(grams))
    return repeated / max(runs, 1)


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())
