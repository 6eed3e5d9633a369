"""How a model for the new language begins: data, tokenizer, and rows out of the evidence that a mapping needs."""

from collections.abc import Mapping
from typing import Any

from pipeline.card_lock import Lock
from pipeline.cards import ResolvedCard, resolve_cards, usable_cards
from pipeline.plan import Planner, Step
from pipeline.settings import Config
from pipeline.stage_catalogue import (
    ALIGN_TOKENS,
    FETCH_BASE_MODEL,
    INGEST_BITEXT,
    INGEST_CORPUS,
    INGEST_DICTIONARY,
    MAP_EMBEDDINGS,
    TRAIN_TOKENIZER,
    TRAIN_VECTORS,
)
from stages.ingest_dictionary.settings import CardDictionary, FileDictionary

VECTORS = {
    "token_vectors": ("corpus", "tokenizer", "token"),
    "source_vectors": ("bitext", "base_model", "word"),
    "target_vectors": ("corpus", "tokenizer", "word"),
}
"""Of which text, for whose tokens, in which units the vectors of each name are trained."""


def plan_data(plan: Planner, config: Config, lock: Lock) -> tuple[Step, Step, Step]:
    """Plan the base model, the corpus and the tokenizer, which `mapping=keep` has from the base model.

    All problems of the config's data cards are reported here.
    """
    usable_cards(config.used_cards, config.language.code)
    pivots = (name for names in config.pivots.cards.values() for name in names)
    config.hub.check((*config.corpus.cards, *config.bitext.cards, *pivots, *config.replay.cards))
    base_model = plan.step(FETCH_BASE_MODEL, inputs={})
    corpus = plan.step(INGEST_CORPUS, inputs={}, cards=_cards(config.corpus.cards, config, lock))
    if config.mapping.keeps_tokenizer:
        return base_model, corpus, base_model
    return base_model, corpus, plan.step(TRAIN_TOKENIZER, inputs={"corpus": corpus, "base_model": base_model})


def plan_mapping(
    plan: Planner, config: Config, lock: Lock, data: Mapping[str, Step], name: str | None = None
) -> tuple[Step, dict[str, Step]]:
    """Plan the initialized model out of base model, tokenizer and corpus, and the evidence that its mapping needs.

    There is no bitext among the evidence where a table is given and no cards.
    """
    mapping, evidence = config.mapping, dict[str, Step]()
    both = {kind: data[kind] for kind in ("base_model", "tokenizer")}
    if mapping.needs_bitext and (bitext := plan_bitext(plan, config, lock, data["corpus"])):
        evidence["bitext"] = bitext
    if "dictionary" in mapping.needs or "table" in mapping.needs:
        evidence |= plan_dictionary(plan, config, lock)
    made = {**data, **evidence}
    if "table" in mapping.needs:
        evidence["alignment"] = plan.step(ALIGN_TOKENS, inputs={**evidence, **both})
        evidence |= plan_pivots(plan, config, lock, {"corpus": data["corpus"], **evidence}, both)
    for kind, (origin, tokenizer, unit) in VECTORS.items():
        if kind in mapping.needs:
            inputs = {origin: made[origin], "tokenizer": made[tokenizer]}
            settings = getattr(plan.sections["vectors"], f"{unit}s")
            evidence[kind] = plan.step(TRAIN_VECTORS, kind, inputs=inputs, unit=unit, vectors=settings)
    return plan_rows(plan, config, data, evidence, name), evidence


def plan_rows(
    plan: Planner, config: Config, data: Mapping[str, Step], evidence: Mapping[str, Step], name: str | None
) -> Step:
    """Plan the initialized model out of its evidence, of which it sees what the mapping reads."""
    mapping = config.mapping
    both = {kind: data[kind] for kind in ("base_model", "tokenizer")}
    reads = config.calibration.method != "none" or mapping.warmup != "none"
    text = {"corpus": data["corpus"]} if reads else {}
    used = {kind: step for kind, step in evidence.items() if step.stage is ALIGN_TOKENS or kind in mapping.needs}
    return plan.step(MAP_EMBEDDINGS, name, inputs={**both, **used, **text})


def plan_pivots(
    plan: Planner, config: Config, lock: Lock, held_out: Mapping[str, Step], both: Mapping[str, Step]
) -> dict[str, Step]:
    """Plan bitext and alignment of each further pivot language, for example `bitext_ru` and `alignment_ru`.

    What is held out of the corpus and of the first bitext is held out of theirs.
    """
    evidence = dict[str, Step]()
    texts = {name: held_out[name] for name in ("corpus", "bitext")}
    for code, names in sorted(config.pivots.cards.items()):
        pair: dict[str, Any] = {
            "language": config.language.model_copy(update={"source_code": code}),
            "bitext": config.bitext.model_copy(update={"cards": names}),
            "cards": config.hub.shortened(resolve_cards(names, code, config.language.code, lock)),
        }
        text = plan.step(INGEST_BITEXT, f"bitext_{code}", inputs=texts, **pair)
        aligned = plan.step(ALIGN_TOKENS, f"alignment_{code}", inputs={"bitext": text, **both})
        evidence |= {text.name: text, aligned.name: aligned}
    return evidence


def plan_bitext(plan: Planner, config: Config, lock: Lock, corpus: Step) -> Step | None:
    """Plan the bitext where there is one."""
    cards = _cards(config.bitext.cards, config, lock)
    return plan.step(INGEST_BITEXT, inputs={"corpus": corpus}, cards=cards) if cards else None


def plan_dictionary(plan: Planner, config: Config, lock: Lock) -> dict[str, Step]:
    """Plan the dictionary where there is one."""
    given = config.dictionary
    cards = _cards(given.cards, config, lock) if isinstance(given, CardDictionary) else ()
    some = bool(cards) or isinstance(given, FileDictionary)
    return {"dictionary": plan.step(INGEST_DICTIONARY, inputs={}, cards=cards)} if some else {}


def _cards(names: tuple[str, ...], config: Config, lock: Lock) -> tuple[ResolvedCard, ...]:
    cards = resolve_cards(names, config.language.source_code, config.language.code, lock)
    return config.hub.shortened(cards)
