"""How the two tokenizers cut a sentence, token by token."""

from collections.abc import Mapping
from dataclasses import dataclass

from stages.shared.readable_token import readable
from stages.shared.token_text import Vocabulary
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


def cut_samples(
    sentence: SampleSentence, language: ReportLanguage, vocabularies: Mapping[str, Vocabulary]
) -> list[CutSentence]:
    """Return each sentence of the pair as each tokenizer cuts it; `base` is the base model's, `new` the new one."""
    texts = {language.source_code: sentence.source, language.code: sentence.target}
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
