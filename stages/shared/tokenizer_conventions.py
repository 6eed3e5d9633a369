"""What two tokenizers with different vocabularies can have in common."""

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transformers import AutoTokenizer

ROLES = ("bos_token", "eos_token", "unk_token", "pad_token", "cls_token", "sep_token", "mask_token")
LARGEST_REAL_LENGTH = 10**12
"""transformers writes 1e30 where a tokenizer's author named no length."""


@dataclass(frozen=True)
class TokenizerConventions:
    """Special tokens and habits of a tokenizer, as text, so that another vocabulary can keep them."""

    special_tokens: tuple[str, ...]
    """All of them, in the order of their ids."""
    roles: dict[str, str]
    """The string of each of ROLES that it has."""
    adds_bos: bool
    """Does it put its BOS before a text by itself?"""
    adds_eos: bool
    around: tuple[tuple[str, ...], tuple[str, ...]] | None
    """What an encoder puts around one text and around two, each part with its segment: `("[CLS]:0", "$A:0", ...)`; None
    where there is only BOS and EOS."""
    max_length: int | None
    padding_side: str
    chat_template: str | None

    def role(self, name: str) -> str | None:
        """Return the string of a role such as `bos_token`, or None."""
        return self.roles.get(name)


def read_conventions(folder: Path) -> TokenizerConventions:
    """Read them from a Hugging Face folder; its config.json tells the length where the tokenizer does not."""
    conventions = conventions_of(AutoTokenizer.from_pretrained(folder))
    config = folder / "config.json"
    if conventions.max_length is not None or not config.is_file():
        return conventions
    positions = json.loads(config.read_text(encoding="utf-8")).get("max_position_embeddings")
    return dataclasses.replace(conventions, max_length=positions)


def conventions_of(tokenizer: Any) -> TokenizerConventions:
    """Read them from a loaded tokenizer."""
    roles = {name: token for name, token in tokenizer.special_tokens_map.items() if isinstance(token, str)}
    roles = {name: roles[name] for name in ROLES if name in roles}
    ids = tokenizer("a")["input_ids"]
    return TokenizerConventions(
        special_tokens=special_tokens(tokenizer),
        roles=roles,
        adds_bos=bool(ids) and ids[0] == tokenizer.bos_token_id,
        adds_eos=len(ids) > 1 and ids[-1] == tokenizer.eos_token_id,
        around=(put_around(tokenizer, "a"), put_around(tokenizer, "a", "a")) if "cls_token" in roles else None,
        max_length=int(tokenizer.model_max_length) if tokenizer.model_max_length < LARGEST_REAL_LENGTH else None,
        padding_side=tokenizer.padding_side,
        chat_template=tokenizer.chat_template if isinstance(tokenizer.chat_template, str) else None,
    )


def put_around(tokenizer: Any, *texts: str) -> tuple[str, ...]:
    """Return what a tokenizer of the `tokenizers` library puts around one text or two, as it does."""
    (encoding,) = tokenizer(*texts).encodings
    parts: list[str] = []
    for token, text, segment in zip(encoding.tokens, encoding.sequence_ids, encoding.type_ids, strict=True):
        part = f"{token}:{segment}" if text is None else f"${'AB'[text]}:{segment}"
        if text is None or part not in parts:  # a text of several tokens is one part
            parts.append(part)
    return tuple(parts)


def special_tokens(tokenizer: Any) -> tuple[str, ...]:
    """Return the special tokens, and those added tokens that the chat template names, in the order of their ids.

    Other added tokens (runs of spaces, for example) belong to the old vocabulary and are left out.
    """
    template = tokenizer.chat_template if isinstance(tokenizer.chat_template, str) else ""
    named = set(tokenizer.all_special_tokens)
    for token in tokenizer.added_tokens_decoder.values():
        if token.special or token.content in template:
            named.add(token.content)
    return tuple(sorted(named, key=tokenizer.convert_tokens_to_ids))
