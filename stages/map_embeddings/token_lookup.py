"""Which tokens a user means by a word, a token as its tokenizer writes it, or an id."""

import difflib
import unicodedata

from pipeline.errors import UserError
from stages.map_embeddings.subtoken_mean import spell
from stages.shared.readable_token import SPACE, shown_token, visible
from stages.shared.token_text import Vocabulary

BYTE_LEVEL_SPACE = "Ġ"
NEAR = 5


def find_tokens(asked: str, vocabulary: Vocabulary) -> list[int]:
    """Return the ids of the tokens that `asked` names, in order, each once.

    `#123` is an id. A token is found as the tokenizer writes it (`Ġhuis`) and as we show it (`▁huis`). Anything else is
    a word: the tokens that spell it where it starts a word, after the token of just these letters where there is one.
    Raises UserError, with the nearest tokens, where nothing is found.
    """
    if not asked:
        raise UserError("which token? Give TOKEN=huis (a word), TOKEN=▁huis (a token) or TOKEN=#123 (an id)")
    try:
        asked.encode()
    except UnicodeEncodeError:
        raise UserError(f"the token {asked!a} is not UTF-8; type it in a UTF-8 terminal, or give its id") from None
    number = asked.removeprefix("#")
    if number != asked and number.isascii() and number.isdigit():
        return [_checked(int(number), vocabulary)]
    by_text = vocabulary.by_text()
    found = [vocabulary.ids.get(asked), by_text.get(asked.replace(SPACE, " ").encode())]
    if (found[1] is not None and not vocabulary.starts_word[found[1]]) or found == [None, None]:
        found += _spelled(asked, vocabulary, by_text)
    rows = list(dict.fromkeys(row for row in found if row is not None))
    if not rows:
        raise UserError(_unknown(asked, vocabulary))
    return rows


def _checked(row: int, vocabulary: Vocabulary) -> int:
    if row >= len(vocabulary):
        raise UserError(f"there is no token #{row}: the ids go from #0 to #{len(vocabulary) - 1}")
    return row


def _spelled(asked: str, vocabulary: Vocabulary, by_text: dict[bytes, int]) -> list[int | None]:
    """Return the tokens of each word, a space before it; none where `asked` is written as a token is."""
    marks = (SPACE, BYTE_LEVEL_SPACE, vocabulary.continuing_prefix or SPACE)
    if asked.startswith(marks):
        return []
    # Training text is composed, and a terminal may hand over letters and accents apart.
    words = unicodedata.normalize("NFC", asked).split() or [asked]
    texts = [word.encode() if word.isspace() else f" {word}".encode() for word in words]
    found: list[int | None] = []
    for text in texts:
        found += [by_text[text]] if text in by_text else spell(text, vocabulary)
    return found


def _unknown(asked: str, vocabulary: Vocabulary) -> str:
    shown = [shown_token(vocabulary, row) for row in range(len(vocabulary))]
    near = difflib.get_close_matches(asked.replace(BYTE_LEVEL_SPACE, SPACE), shown, n=NEAR)
    hint = f" Near it: {', '.join(near)}." if near else ""
    return (
        f"no token '{visible(asked)}' among the {len(vocabulary)} of this tokenizer.{hint} A word without {SPACE} is "
        "shown by the tokens that spell it"
    )
