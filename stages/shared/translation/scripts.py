"""Is a sentence written in several scripts?"""

import unicodedata

TOGETHER = {
    "CJK": "East Asian",
    "HIRAGANA": "East Asian",
    "KATAKANA": "East Asian",
    "HANGUL": "East Asian",
    "BOPOMOFO": "East Asian",
}
"""First words of characters' names whose scripts are written together."""


def mixed_script(text: str) -> bool:
    """Tell whether a text has letters of two scripts or more.

    >>> mixed_script("Казань is a city"), mixed_script("Казан — 1005"), mixed_script("東京タワー")
    (True, False, False)
    """
    names = (unicodedata.name(character, "") for character in text if character.isalpha())
    # ª and º are letters, and of no script.
    first = (name.split(" ", 1)[0].partition("-")[0] for name in names if name and "ORDINAL" not in name)
    return len({TOGETHER.get(word, word) for word in first if word not in ("MODIFIER", "MICRO")}) > 1
