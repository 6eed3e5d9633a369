"""THE COMPARISON OF TRAININGS ON ONE SCREEN: both models on the same text, in several orders, put side by side."""

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.card_lock import Lock
from pipeline.graph import plan_start
from pipeline.mapping_graph import plan_data
from pipeline.plan import Planner, Step, only
from pipeline.settings import Config
from pipeline.stage_catalogue import COMPARE_TRAINING, CONTINUE_PRETRAINING
from pipeline.training_graph import plan_replay, plan_tokens, plan_watched_by_both
from stages.compare_training.settings import Variant


@dataclass(frozen=True)
class Pairing:
    """Both models trained with one config."""

    replay: str
    seed: int
    config: Config

    @property
    def name(self) -> str:
        """What its inputs end with."""
        return f"{self.replay}_{self.seed}"


def curves(config: Config, lock: Lock, pairings: Sequence[Pairing]) -> list[Step]:
    """Plan the trainings of all pairings; the last step compares them."""
    steps: list[Step] = []
    inputs: dict[str, Step] = {}
    for pairing in pairings:
        plan = _planner(pairing.config)
        inputs |= plan_pair(plan, pairing, lock)
        steps += plan.steps
    shares = {pairing.replay: pairing.config.replay.share for pairing in pairings}
    variants = tuple(
        Variant(replay=replay, share=share, seeds=tuple(one.seed for one in pairings if one.replay == replay))
        for replay, share in shares.items()
    )
    plan = _planner(config)
    last = plan.step(
        COMPARE_TRAINING,
        inputs=inputs,
        language_name=config.language.name,
        source_code=config.language.source_code,
        base_model_name=config.base_model.name,
        training=pairings[0].config.training,
        variants=variants,
        confidence=config.curves.confidence,
    )
    return only([*steps, last], lambda step: step is last)


def plan_pair(plan: Planner, pairing: Pairing, lock: Lock) -> dict[str, Step]:
    """Plan both trainings of a pairing, watched on the same texts; return what the comparison reads of them."""
    config, name = pairing.config, pairing.name
    base_model, corpus, tokenizer = plan_data(plan, config, lock)
    data = {"corpus": corpus, "base_model": base_model, "tokenizer": tokenizer}
    initialized, shown, _ = plan_start(plan, config, lock, data)
    data |= plan_replay(plan, config, lock)
    tokens = plan_tokens(plan, config, data)
    matched = plan_tokens(plan, config, data, match=tokens)
    watched = plan_watched_by_both(plan, config, lock, {**data, **shown})
    trained = {
        f"{system}_{name}": {"model": model, "tokens": text, **watched}
        for system, model, text in (("adapted", initialized, tokens), ("source_finetuned", base_model, matched))
    }
    compared = dict(watched)
    for model, inputs in trained.items():
        compared[model] = plan.step(CONTINUE_PRETRAINING, f"model_{model}", inputs=inputs)
        compared[f"tokens_{model}"] = inputs["tokens"]
    return compared


def _planner(config: Config) -> Planner:
    return Planner(config.sections(), config.artifacts, config.language.name)
