"""The chat template of a model: taken over, or given to one without; and its markers as tokens."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from tokenizers import AddedToken

from pipeline.errors import UserError
from stages.shared.tokenizer_conventions import special_tokens

START, END = "<|im_start|>", "<|im_end|>"
CHATML = (
    "{% for message in messages %}{{ '"
    + START
    + "' + message['role'] + '\\n' + message['content'] + '"
    + END
    + "\\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '" + START + "assistant\\n' }}{% endif %}"
)
"""As Qwen's models and SmolLM2's have it, without a system turn of its own."""
MARKER = re.compile(r"<\|\w+\|>")
MARKERS_TRIED = ({"role": "user", "content": "a"}, {"role": "assistant", "content": "b"})


@dataclass(frozen=True)
class Chat:
    """How a model's conversations are written."""

    changed: bool
    """Is it another than the model came with?"""
    added_tokens: tuple[str, ...]
    """Markers that the vocabulary did not have."""
    end_ids: tuple[int, ...]
    """Tokens that end an answer, that of the template first, then those that ended the model's texts before."""


def prepare_chat(model: Any, tokenizer: Any, choice: Literal["keep", "chatml"]) -> Chat:
    """Give model and tokenizer the chosen template, and rows for markers that the vocabulary lacks.

    Raises UserError where a model that shall keep its template has none, or one whose markers are several tokens each.
    """
    added: tuple[str, ...] = ()
    before = _ends(model, tokenizer)
    if choice == "chatml":
        tokenizer.chat_template = CHATML
        added = add_markers(model, tokenizer, (START, END))
        tokenizer.eos_token = END
    elif not isinstance(tokenizer.chat_template, str):
        raise UserError(
            "the model has no chat template to keep; choose tuning.sft.chat_template=chatml, which gives it one"
        )
    check_markers(tokenizer)
    # A new marker begins as a copy of the old EOS, so that at first the model writes one as often as the other.
    ends = dict.fromkeys(number for number in (end_of_answer(tokenizer), *before) if number is not None)
    return Chat(choice == "chatml", added, tuple(ends))


def _ends(model: Any, tokenizer: Any) -> list[int | None]:
    """Return the tokenizer's EOS and what else the model's texts end with by its own generation config."""
    told = model.generation_config.eos_token_id
    return [tokenizer.eos_token_id, *(told if isinstance(told, list) else [told])]


def add_markers(model: Any, tokenizer: Any, markers: Sequence[str]) -> tuple[str, ...]:
    """Add the markers that the vocabulary lacks, and a row for each in the model's tables.

    What ends an answer begins as the row of what ends a text (EOS), the other as that of what begins one (BOS), and
    where there is no such token as the mean row.
    """
    rows = {START: tokenizer.bos_token_id, END: tokenizer.eos_token_id}
    missing = [
        marker for marker in markers if tokenizer.convert_tokens_to_ids(marker) in (None, tokenizer.unk_token_id)
    ]
    tokenizer.add_tokens(
        [AddedToken(marker, special=True, normalized=False) for marker in missing], special_tokens=True
    )
    known = model.get_input_embeddings().weight.shape[0]
    if len(tokenizer) > known:
        model.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    tables = {id(layer.weight): layer.weight for layer in (model.get_input_embeddings(), model.get_output_embeddings())}
    with torch.no_grad():
        for table in tables.values():
            for marker in missing:
                like = rows[marker]
                number = tokenizer.convert_tokens_to_ids(marker)
                table[number] = table[: known - 1].mean(dim=0) if like is None else table[like]
    return tuple(missing)


def check_markers(tokenizer: Any) -> None:
    """Raise UserError where a marker of the template is several tokens: the tokenizer did not take it over."""
    for marker in dict.fromkeys((*MARKER.findall(tokenizer.chat_template), *_named(tokenizer))):
        ids = tokenizer(marker, add_special_tokens=False)["input_ids"]
        if len(ids) != 1:
            raise UserError(
                f"the chat template's marker '{marker}' is {len(ids)} tokens in the vocabulary; choose "
                "tuning.sft.chat_template=chatml, which adds its own"
            )


def _named(tokenizer: Any) -> list[str]:
    return [token for token in special_tokens(tokenizer) if token in tokenizer.chat_template]


def end_of_answer(tokenizer: Any) -> int | None:
    """Return the id of the special token that the template puts behind an answer; None where it puts none."""
    text = render(tokenizer, MARKERS_TRIED).rstrip()
    last: int = tokenizer(text, add_special_tokens=False)["input_ids"][-1]
    return last if tokenizer.convert_ids_to_tokens(last) in special_tokens(tokenizer) else None


def render(tokenizer: Any, messages: Sequence[Any], asked: bool = False) -> str:
    """Return the conversation as text; `asked`: with what the template puts before an answer.

    Raises UserError where the template refuses the conversation.
    """
    try:
        text: str = tokenizer.apply_chat_template(list(messages), tokenize=False, add_generation_prompt=asked)
    except Exception as error:  # templates raise what they like
        roles = ", ".join(message["role"] for message in messages)
        raise UserError(
            f"the chat template refuses a conversation of {roles}: {error}. Leave out the data card that has such "
            "turns, or choose tuning.sft.chat_template=chatml"
        ) from None
    return text
