"""Lines translated by a sequence-to-sequence model: Marian, NLLB, M2M100, mBART, T5."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from pipeline.errors import UserError
from pipeline.stage import Execution
from stages.back_translate.settings import Seq2SeqBackTranslation
from stages.shared.decoding.generate import Limits, generation_config
from stages.shared.decoding.settings import BeamSettings, GreedySettings
from stages.shared.loading import load_seq2seq_model, load_tokenizer
from stages.shared.translation.prompts import NOTHING_WRITTEN, TOO_LONG, UNFINISHED, Prompt, make_batches, token_limit
from stages.shared.translation.settings import TranslationSettings
from stages.shared.translation.translate import Translated

KEY = "back_translation"


def translate_seq2seq(
    lines: Sequence[str],
    folder: Path,
    given: Seq2SeqBackTranslation,
    settings: TranslationSettings,
    execution: Execution,
) -> list[Translated]:
    """Return a translation for each line, in the lines' order; of the settings the limits, batches and types count.

    Raises UserError where the model wants language codes and has none, or has not the given ones.
    """
    tokenizer = load_tokenizer(folder)
    first_id = set_languages(tokenizer, given)
    torch.set_num_threads(settings.threads)
    model = load_seq2seq_model(folder, getattr(torch, settings.precision)).to(execution.device).eval()
    positions = getattr(model.config, "max_position_embeddings", None)
    prompts, written = list[Prompt](), dict[int, Translated]()
    for number, line in enumerate(lines):
        ids = tuple(tokenizer(given.prefix + line)["input_ids"])
        limit = token_limit(len(ids), settings)
        if positions is None or max(len(ids), limit) <= positions:
            prompts.append(Prompt(number, ids, limit))
    with tqdm(total=len(prompts), desc="translating", unit="line") as progress:
        for batch in make_batches(prompts, settings.batch_tokens, given.beams):
            texts = write_batch(model, tokenizer, batch, given.beams, first_id)
            written |= {prompt.number: text for prompt, text in zip(batch, texts, strict=True)}
            progress.update(len(batch))
    return [written.get(number, Translated("", (TOO_LONG,))) for number in range(len(lines))]


def write_batch(
    model: Any, tokenizer: Any, batch: Sequence[Prompt], beams: int, first_id: int | None
) -> list[Translated]:
    """Return what the model writes for the lines of one limit; with `first_id`, every text begins with that token."""
    longest = max(len(prompt.ids) for prompt in batch)
    padding, end = tokenizer.pad_token_id, tokenizer.eos_token_id
    ids = torch.tensor([[*prompt.ids, *[padding] * (longest - len(prompt.ids))] for prompt in batch])
    mask = torch.tensor([[1] * len(prompt.ids) + [0] * (longest - len(prompt.ids)) for prompt in batch])
    one = BeamSettings(method="beam", beams=beams, length_penalty=1.0, n_best=1) if beams > 1 else None
    limits = Limits(max_new_tokens=batch[0].limit, end_ids=(end,), padding_id=padding)
    config = generation_config(one or GreedySettings(method="greedy"), limits, 1)
    config.forced_bos_token_id = first_id
    with torch.inference_mode():
        made = model.generate(
            input_ids=ids.to(model.device), attention_mask=mask.to(model.device), generation_config=config
        )
    # What begins a decoder's text may be the token that ends it.
    return [_line(tokenizer, text[1:], end, batch[0].limit) for text in made.tolist()]


def _line(tokenizer: Any, ids: Sequence[int], end: int, limit: int) -> Translated:
    text = " ".join(str(tokenizer.decode(ids, skip_special_tokens=True)).split())
    finished = end in ids[: limit - 1]  # some models are made to write an end at the limit
    return Translated(text, (*(() if finished else (UNFINISHED,)), *(() if text else (NOTHING_WRITTEN,))))


def set_languages(tokenizer: Any, given: Seq2SeqBackTranslation) -> int | None:
    """Tell a tokenizer of many languages which one it reads; return the token of the one to be written, if any.

    Raises UserError where such a model gets no codes, or ones that it does not know, or where another gets some.
    """
    several = hasattr(tokenizer, "src_lang")
    if given.into_code is None or given.from_code is None:
        if several:
            raise UserError(
                f"{KEY}.model translates between many languages: name two by its own codes, for example "
                f"{KEY}.from_code=nld_Latn {KEY}.into_code=eng_Latn (its model card has them)"
            )
        return None
    if not several:
        raise UserError(
            f"{KEY}.model has no language codes; leave from_code and into_code out. A model that is told the language "
            f"in the text takes {KEY}.prefix"
        )
    first_id = _language_id(tokenizer, "into_code", given.into_code)
    _language_id(tokenizer, "from_code", given.from_code)
    tokenizer.src_lang = given.from_code
    return first_id


def _language_id(tokenizer: Any, key: str, code: str) -> int:
    try:
        token = tokenizer.get_lang_token(code) if hasattr(tokenizer, "get_lang_token") else code
    except KeyError:
        token = tokenizer.unk_token
    number = tokenizer.convert_tokens_to_ids(token)
    if number is None or number == tokenizer.unk_token_id or token not in tokenizer.all_special_tokens:
        raise UserError(f"{KEY}.{key}={code}: the model has no such language code; its model card has them")
    return int(number)
