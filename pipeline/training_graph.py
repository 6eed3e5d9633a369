"""What a training reads: text in tokens, replayed text among it, and held-out text that it is watched on."""

from collections.abc import Mapping

from pipeline.card_lock import Lock
from pipeline.cards import resolve_cards, usable_cards
from pipeline.plan import Planner, Step
from pipeline.settings import Config
from pipeline.stage_catalogue import INGEST_CORPUS, MIX_TOKENS, PACK_TOKENS, SAMPLE_HELD_OUT
from stages.shared.text_settings import LanguageSettings


def plan_replay(plan: Planner, config: Config, lock: Lock) -> dict[str, Step]:
    """Plan the text of the base model's own language where some is replayed; the step goes by `replay`."""
    replay = config.replay
    return {"replay": _plan_own_text(plan, config, lock, replay.language)} if replay.language and replay.share else {}


def _plan_own_text(plan: Planner, config: Config, lock: Lock, language: LanguageSettings) -> Step:
    usable_cards(config.replay.cards, language.code)
    cards = resolve_cards(config.replay.cards, language.source_code, language.code, lock)
    spoken = {"language": language, "corpus": config.replayed_corpus()}
    return plan.step(INGEST_CORPUS, "replay_corpus", inputs={}, cards=config.hub.shortened(cards), **spoken)


def plan_tokens(plan: Planner, config: Config, data: Mapping[str, Step], match: Step | None = None) -> Step:
    """Plan the training text in tokens; with `match`, which is that, the same text in the base model's tokens."""
    training, share = config.training, config.replay.share
    tokenizer, name = (data["base_model"], "source_tokens") if match else (data["tokenizer"], "packed_tokens")

    def pack(name: str, text: Step, tokens: int, same: Step | None) -> Step:
        inputs = {"corpus": text, "tokenizer": tokenizer} | ({"match": same} if same else {})
        packing = {"sequence_length": training.sequence_length, "seed": training.seed}
        return plan.step(PACK_TOKENS, name, inputs=inputs, tokens=tokens, **packing)

    if "replay" not in data:
        return pack(name, data["corpus"], training.tokens, match)
    again, same = round(share * training.tokens), match.inputs if match else {}
    mixed = {
        "tokens": pack(f"{name}_alone", data["corpus"], training.tokens - again, same.get("tokens")),
        "replay": pack(f"{name}_replay", data["replay"], again, same.get("replay")),
    }
    return plan.step(MIX_TOKENS, name, inputs=mixed | ({"match": match} if match else {}), share=share)


def plan_watched(plan: Planner, config: Config, lock: Lock, made: Mapping[str, Step]) -> dict[str, Step]:
    """Plan the texts that trainings are watched on: the target's, and the source's where there is some."""
    if config.training.watch is None or config.training.objective == "masked":
        return {}
    origins = {"held_out_target": {"corpus": made["corpus"]}, "held_out_source": _source_text(plan, config, lock, made)}
    text = config.training.watch.text
    return {
        name: plan.step(SAMPLE_HELD_OUT, name, inputs=origin, text=text, other_domain=None)
        for name, origin in origins.items()
        if origin
    }


def _source_text(plan: Planner, config: Config, lock: Lock, made: Mapping[str, Step]) -> dict[str, Step]:
    """Return what the source language is sampled of: the mapping's bitext, else what is or could be replayed."""
    if "bitext" in made:
        return {"bitext": made["bitext"]}
    if "replay" in made:
        return {"corpus": made["replay"]}
    language = config.replay.language
    if language is None or language.code != config.language.source_code or not config.replay.cards:
        return {}
    return {"corpus": _plan_own_text(plan, config, lock, language)}


def plan_watched_by_both(plan: Planner, config: Config, lock: Lock, made: Mapping[str, Step]) -> dict[str, Step]:
    """Plan the texts that both trainings of a comparison are watched on: all there are, of another domain too."""
    watched = plan_watched(plan, config, lock, made)
    watch, other = config.training.watch, config.leaderboard.other_domain
    if watch is None or other is None:
        return watched
    lines = plan.step(SAMPLE_HELD_OUT, "held_out_other", inputs={}, text=watch.text, other_domain=other)
    return {**watched, "held_out_other": lines}
