"""How well a tokenizer covers a held-out text."""

import re

from stages.shared.fertility import TokenCounter

BYTE_TOKEN = re.compile(r"<0x[0-9A-F]{2}>")
LAYOUT_TOKENS = {"<0x09>", "<0x0A>", "<0x0D>"}


def byte_fallback(counter: TokenCounter, texts: list[str]) -> dict[str, float | None]:
    """Return the share of tokens that spell one byte, and the share of characters that have a token.

    Line ends and tabs always take one byte token each; they are left out of both.
    """
    known = counter.tokenizer.get_vocab()
    byte_ids = {number for token, number in known.items() if BYTE_TOKEN.fullmatch(token) and token not in LAYOUT_TOKENS}
    encoded = counter.encode(texts)
    tokens = sum(len(ids) for ids in encoded)
    spelled = sum(number in byte_ids for ids in encoded for number in ids)
    characters = [character for text in texts for character in text if character not in "\n\r\t"]
    covered = sum(character in known or character == " " for character in characters)
    return {
        "byte_fallback_share": round(spelled / tokens, 6) if tokens else None,
        "character_coverage": round(covered / len(characters), 6) if characters else None,
    }
