"""A Hugging Face tokenizer folder."""

import json
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Tokenizer, processors

from stages.shared.tokenizer_conventions import TokenizerConventions


def write_tokenizer_folder(tokenizer: Tokenizer, conventions: TokenizerConventions, out: Path) -> None:
    """Write tokenizer.json, tokenizer_config.json and the chat template.

    transformers' own save_pretrained is not used: it notes how and from where a tokenizer was loaded.
    """
    special = [token for token in conventions.special_tokens if tokenizer.token_to_id(token) is not None]
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in special])
    tokenizer.post_processor = post_processor(tokenizer, conventions)
    tokenizer.save(str(out / "tokenizer.json"))
    config = tokenizer_config(conventions)
    text = json.dumps(config, ensure_ascii=False, indent=2, sort_keys=True) + "\n"
    (out / "tokenizer_config.json").write_text(text, encoding="utf-8")
    if conventions.chat_template is not None:
        (out / "chat_template.jinja").write_text(conventions.chat_template, encoding="utf-8")


def post_processor(tokenizer: Tokenizer, conventions: TokenizerConventions) -> processors.TemplateProcessing:
    """Return what adds BOS and EOS where the conventions say so, and else nothing."""
    before = [conventions.roles["bos_token"]] if conventions.adds_bos else []
    after = [conventions.roles["eos_token"]] if conventions.adds_eos else []
    return processors.TemplateProcessing(
        single=[*before, "$A", *after],
        pair=[*before, "$A", *after, *(f"{token}:1" for token in before), "$B:1", *(f"{token}:1" for token in after)],
        special_tokens=[(token, tokenizer.token_to_id(token)) for token in dict.fromkeys(before + after)],
    )


def tokenizer_config(conventions: TokenizerConventions) -> dict[str, Any]:
    """Return what transformers needs to know beside tokenizer.json; no path, no version."""
    length = {} if conventions.max_length is None else {"model_max_length": conventions.max_length}
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "add_bos_token": conventions.adds_bos,
        "add_eos_token": conventions.adds_eos,
        "clean_up_tokenization_spaces": False,
        "padding_side": conventions.padding_side,
        **conventions.roles,
        **length,
    }
