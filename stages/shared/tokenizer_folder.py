"""A Hugging Face tokenizer folder."""

import json
import shutil
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Tokenizer, processors

from stages.shared.tokenizer_conventions import TokenizerConventions

TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer.model",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "vocab.txt",
    "merges.txt",
    "chat_template.jinja",
    "plain_tokenizer.py",  # the code of `tokenizer_class`, named in tokenizer_config.json
)
INPUTS = ("input_ids", "attention_mask")
"""What every model is given; one that tells two texts apart by segments is given these too."""


def write_tokenizer_folder(tokenizer: Tokenizer, conventions: TokenizerConventions, out: Path) -> None:
    """Write tokenizer.json, tokenizer_config.json and the chat template.

    transformers' own save_pretrained is not used: it notes how and from where a tokenizer was loaded.
    """
    special = [token for token in conventions.special_tokens if tokenizer.token_to_id(token) is not None]
    # A mask stands for a token that may begin with the space before it.
    mask = conventions.role("mask_token")
    added = [AddedToken(token, special=True, normalized=False, lstrip=token == mask) for token in special]
    tokenizer.add_special_tokens(added)
    tokenizer.post_processor = post_processor(tokenizer, conventions)
    tokenizer.save(str(out / "tokenizer.json"))
    config = tokenizer_config(conventions)
    text = json.dumps(config, ensure_ascii=False, indent=2, sort_keys=True) + "\n"
    (out / "tokenizer_config.json").write_text(text, encoding="utf-8")
    if conventions.chat_template is not None:
        (out / "chat_template.jinja").write_text(conventions.chat_template, encoding="utf-8")


def copy_tokenizer(folder: Path, out: Path) -> None:
    """Copy a tokenizer's files, of whatever kind it is, out of a folder that may hold a model too."""
    out.mkdir(parents=True, exist_ok=True)
    for name in TOKENIZER_FILES:
        if (folder / name).is_file():
            shutil.copyfile(folder / name, out / name)


def post_processor(tokenizer: Tokenizer, conventions: TokenizerConventions) -> processors.TemplateProcessing:
    """Return what adds BOS and EOS, or an encoder's tokens, where the conventions say so, and else nothing."""
    if conventions.around is not None:
        single, pair = conventions.around
        names = {part.rpartition(":")[0] for part in single + pair if not part.startswith("$")}
        ids = [(token, tokenizer.token_to_id(token)) for token in sorted(names)]
        return processors.TemplateProcessing(single=list(single), pair=list(pair), special_tokens=ids)
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
    pair = conventions.around[1] if conventions.around else ()
    segments = {"model_input_names": [*INPUTS, "token_type_ids"]} if any(part.endswith(":1") for part in pair) else {}
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "add_bos_token": conventions.adds_bos,
        "add_eos_token": conventions.adds_eos,
        "clean_up_tokenization_spaces": False,
        "padding_side": conventions.padding_side,
        **conventions.roles,
        **length,
        **segments,
    }
