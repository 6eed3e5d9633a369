"""A Hugging Face tokenizer folder."""

import json
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Tokenizer, processors

from stages.train_tokenizer.base_tokenizer import BaseConventions


def write_folder(tokenizer: Tokenizer, base: BaseConventions, out: Path) -> None:
    """Write tokenizer.json, tokenizer_config.json and the chat template.

    transformers' own save_pretrained is not used: it notes how and from where a tokenizer was loaded.
    """
    special = [token for token in base.special_tokens if tokenizer.token_to_id(token) is not None]
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in special])
    tokenizer.post_processor = post_processor(tokenizer, base)
    tokenizer.save(str(out / "tokenizer.json"))
    config = tokenizer_config(base)
    text = json.dumps(config, ensure_ascii=False, indent=2, sort_keys=True) + "\n"
    (out / "tokenizer_config.json").write_text(text, encoding="utf-8")
    if base.chat_template is not None:
        (out / "chat_template.jinja").write_text(base.chat_template, encoding="utf-8")


def post_processor(tokenizer: Tokenizer, base: BaseConventions) -> processors.TemplateProcessing:
    """Return what adds BOS and EOS where the base model's tokenizer adds them, and nothing where it does not."""
    before = [base.roles["bos_token"]] if base.adds_bos else []
    after = [base.roles["eos_token"]] if base.adds_eos else []
    return processors.TemplateProcessing(
        single=[*before, "$A", *after],
        pair=[*before, "$A", *after, *(f"{token}:1" for token in before), "$B:1", *(f"{token}:1" for token in after)],
        special_tokens=[(token, tokenizer.token_to_id(token)) for token in dict.fromkeys(before + after)],
    )


def tokenizer_config(base: BaseConventions) -> dict[str, Any]:
    """Return what transformers needs to know beside tokenizer.json; no path, no version."""
    length = {} if base.max_length is None else {"model_max_length": base.max_length}
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "add_bos_token": base.adds_bos,
        "add_eos_token": base.adds_eos,
        "clean_up_tokenization_spaces": False,
        "padding_side": base.padding_side,
        **base.roles,
        **length,
    }
