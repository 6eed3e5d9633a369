"""Lines of text into another language."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from tqdm import tqdm

from stages.shared.decoding.generate import Limits, best_first, sequences_at_once, write_ids
from stages.shared.decoding.settings import DecodingSettings
from stages.shared.hydra.processing import HydraProcessor
from stages.shared.translation.prompts import (
    NOTHING_WRITTEN,
    UNFINISHED,
    Line,
    Prompt,
    check_languages,
    make_batches,
    make_prompts,
)
from stages.shared.translation.settings import Languages, TranslationSettings


@dataclass(frozen=True)
class Translated:
    """One line's translation; `flags` are names in `prompts.FLAGS`."""

    text: str
    flags: tuple[str, ...]
    others: tuple[str, ...] = ()
    """The next best ones, where beam search is asked for several."""


def translate_lines(
    model: Any,
    processor: HydraProcessor,
    lines: Sequence[str] | Sequence[Line],
    languages: Languages,
    settings: TranslationSettings,
) -> list[Translated]:
    """Return a translation for each line, in the lines' order: one line of text, empty where there is none.

    Model and processor come from `load_translator`. Raises UserError for a language without a vocabulary.
    """
    check_languages(processor, languages)
    positions = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    asked = [line if isinstance(line, Line) else Line(line) for line in lines]
    prompts, flags = make_prompts(asked, processor, positions, languages, settings)
    written = dict[int, Translated]()
    with tqdm(total=len(lines), desc="translating", unit="line") as progress:
        progress.update(len(lines) - len(prompts))
        batches = make_batches(prompts, settings.batch_tokens, sequences_at_once(settings.decoding))
        for number, batch in enumerate(batches):
            made = write_batch(model, processor, batch, settings.decoding, number)
            for prompt, texts in zip(batch, made, strict=True):
                (text, more), *others = texts
                written[prompt.number] = Translated(text, flags[prompt.number] + more, tuple(one for one, _ in others))
            progress.update(len(batch))
    return [written.get(number, Translated("", flags[number])) for number in range(len(lines))]


def write_batch(
    model: Any, processor: HydraProcessor, batch: Sequence[Prompt], decoding: DecodingSettings, number: int
) -> list[list[tuple[str, tuple[str, ...]]]]:
    """Return what the model writes after each prompt of one limit, best first, up to the line's end, and flags.

    The batch's number decides what is drawn, where the decoding draws.
    """
    longest, stops = max(len(prompt.ids) for prompt in batch), processor.stop_ids()
    padding = [longest - len(prompt.ids) for prompt in batch]
    given = torch.tensor(
        [[processor.pad_id] * more + list(prompt.ids) for more, prompt in zip(padding, batch, strict=True)]
    ).to(model.device)
    mask = torch.tensor([[0] * more + [1] * (longest - more) for more in padding]).to(model.device)
    limits = Limits(max_new_tokens=batch[0].limit, end_ids=stops, padding_id=stops[0])
    candidates = write_ids(model, {"input_ids": given, "attention_mask": mask}, decoding, limits, number)
    lines = [[first_line(processor, ids, stops) for ids in texts] for texts in candidates]
    return [[texts[place] for place in best_first(decoding, [text for text, _ in texts])] for texts in lines]


def first_line(processor: HydraProcessor, ids: Sequence[int], stops: Sequence[int]) -> tuple[str, tuple[str, ...]]:
    """Return the text up to the token that ends the line, which may have characters before the break, and flags.

    Of a text with other breaks, such as U+2028, the first part that has any text; some models begin with one.
    """
    end = next((place for place, number in enumerate(ids) if number in stops), None)
    text = processor.decode(ids if end is None else ids[: end + 1])
    parts = map(str.strip, text.partition("\n")[0].splitlines())
    line = next(filter(None, parts), "")
    return line, (*(() if end is not None else (UNFINISHED,)), *(() if line else (NOTHING_WRITTEN,)))
