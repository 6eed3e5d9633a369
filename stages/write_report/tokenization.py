"""How the two tokenizers cut a sentence, token by token."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from stages.shared.token_text import Vocabulary, load_vocabulary
from stages.write_report.settings import ReportLanguage, SampleSentence


@dataclass(frozen=True)
class CutSentence:
    """A sentence as the pieces of one tokenizer."""

    tokenizer: str
    language: str
    """Code of the sentence's language."""
    pieces: list[str]
    """One a token; bytes that are only part of a character in hexadecimal."""
    words: int


def cut_samples(sentence: SampleSentence, language: ReportLanguage, inputs: Mapping[str, Path]) -> list[CutSentence]:
    """Return each sentence of the pair as the base model's tokenizer cuts it and as the new one does."""
    texts = {language.source_code: sentence.source, language.code: sentence.target}
    vocabularies = {"base": load_vocabulary(inputs["base_model"]), "new": load_vocabulary(inputs["tokenizer"])}
    return [
        CutSentence(name, code, pieces(vocabulary, text), len(text.split()))
        for code, text in texts.items()
        if text
        for name, vocabulary in vocabularies.items()
    ]


def pieces(vocabulary: Vocabulary, text: str) -> list[str]:
    """Return what each token of the text stands for."""
    ids = next(vocabulary.encode([text]))
    return [readable(vocabulary.text[row], vocabulary.tokens[row]) for row in ids]


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
