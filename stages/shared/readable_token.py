"""Tokens as people can read them: spaces visible, bytes and characters without a shape by their number."""

from stages.shared.token_text import Vocabulary

SPACE = "▁"


def readable(piece: bytes, token: str) -> str:
    """Return a token's bytes as text, in hexadecimal where they are only part of a character.

    >>> readable(b" huis", "Ġhuis"), readable(b"\\xd2", "Ò"), readable(b"", "<unk>")
    (' huis', '⟨D2⟩', '<unk>')
    """
    if not piece:
        return token
    try:
        return piece.decode()
    except UnicodeDecodeError:
        return f"⟨{piece.hex(' ').upper()}⟩"


def visible(text: str, space: str = SPACE) -> str:
    """Return a text whose every character shows; none of them can steer a terminal.

    >>> visible(" huis\\x1b[0m\\n")
    '▁huis⟨U+001B⟩[0m⟨U+000A⟩'
    """
    return "".join(
        space if letter == " " else letter if letter.isprintable() else f"⟨U+{ord(letter):04X}⟩" for letter in text
    )


def shown_token(vocabulary: Vocabulary, row: int, space: str = SPACE) -> str:
    """Return what a token stands for, in letters that show; the name of a special token."""
    return visible(readable(vocabulary.text[row], vocabulary.tokens[row]), space)
