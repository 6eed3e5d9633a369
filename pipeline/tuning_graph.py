"""How an adapted model becomes one that answers: conversations, SFT, and DPO on preferences."""

from pipeline.card_lock import Lock
from pipeline.cards import resolve_cards
from pipeline.plan import Planner, Step
from pipeline.settings import Config
from pipeline.stage_catalogue import INGEST_INSTRUCTIONS, TUNE_INSTRUCTIONS


def plan_tuning(plan: Planner, config: Config, lock: Lock, model: Step, corpus: Step) -> dict[str, Step]:
    """Plan the instruct model, and the preferred one with DPO, each with its data; nothing where tuning is none.

    What the corpus holds out is in no answer, the benchmarks of the config in no row trained on, and no answer that is
    measured in the corpus' training text. Held-out questions of `instructions` are answered by both models.
    """
    tuning, given = config.tuning, config.instructions
    if tuning.sft is None:
        return {}

    def ingest(role: str, names: tuple[str, ...]) -> Step:
        cards = resolve_cards(names, config.language.source_code, config.language.code, lock)
        held_out = {"corpus": corpus}
        return plan.step(INGEST_INSTRUCTIONS, role, inputs=held_out, role=role, reading=given.reading, cards=cards)

    instructions = ingest("instructions", given.cards)
    data = {"data": instructions, "instructions": instructions}
    instruct = plan.step(
        TUNE_INSTRUCTIONS, "instruct_model", inputs={"model": model, **data}, **_settings(tuning.sft, config)
    )
    steps = {"instructions": instructions, "instruct_model": instruct}
    if tuning.dpo is not None:
        preferences = ingest("preferences", given.preference_cards)
        data = {"data": preferences, "instructions": instructions}
        inputs = {"model": instruct, **data}
        preferred = plan.step(TUNE_INSTRUCTIONS, "preferred_model", inputs=inputs, **_settings(tuning.dpo, config))
        steps |= {"preferences": preferences, "preferred_model": preferred}
    return steps


def _settings(tuning: object, config: Config) -> dict[str, object]:
    return {"tuning": tuning, "answers": config.tuning.answers}
