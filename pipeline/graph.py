"""THE PIPELINE ON ONE SCREEN: how stages make a model. What each is: stage_catalogue.py; details: the other graphs."""

from collections.abc import Mapping

from pipeline.card_lock import Lock
from pipeline.mapping_graph import plan_bitext, plan_data, plan_mapping
from pipeline.merging_graph import plan_late_merge
from pipeline.plan import Planner, Step, only
from pipeline.settings import Config
from pipeline.stage_catalogue import (
    CONTINUE_PRETRAINING,
    DESCRIBE_CORPUS,
    EVALUATE_MODEL,
    MAP_EMBEDDINGS,
    WRITE_REPORT,
)
from pipeline.training_graph import plan_replay, plan_tokens, plan_watched
from pipeline.translation_graph import plan_hydra
from pipeline.tuning_graph import plan_tuning
from stages.map_embeddings.settings import NoCalibration

SYSTEMS = ("source", "source_finetuned", "random", "mapped", "adapted", "merged")


def adapt(config: Config, lock: Lock, leaderboard: Step | None = None) -> list[Step]:
    """Plan the whole adaptation of one config; the last step is the report, with a finished leaderboard in it."""
    plan = Planner(config.sections(), config.artifacts, config.language.name)
    base_model, corpus, tokenizer = plan_data(plan, config, lock)
    data = {"corpus": corpus, "base_model": base_model, "tokenizer": tokenizer}
    initialized, shown, models = plan_start(plan, config, lock, data)

    data |= plan_replay(plan, config, lock)
    tokens = plan_tokens(plan, config, data)
    watched = plan_watched(plan, config, lock, {**data, **shown})
    adapted = plan.step(CONTINUE_PRETRAINING, inputs={"model": initialized, "tokens": tokens, **watched})
    if config.training.objective == "masked":  # nothing evaluates an encoder yet
        return only(plan.steps, lambda one: one is adapted)
    trained = {"adapted_model": adapted}
    trained |= plan_late_merge(plan, config, {**data, **shown}, {"tokens": tokens, **watched})
    if "source_finetuned" in config.evaluation.baselines and not config.mapping.keeps_tokenizer:
        finetuning = {"model": base_model, "tokens": plan_tokens(plan, config, data, match=tokens)}
        # Watched on nothing that the mapping decides: mappings with and without bitext share this model.
        finetuning |= {name: text for name, text in watched.items() if name == "held_out_target"}
        trained["source_finetuned_model"] = plan.step(CONTINUE_PRETRAINING, "source_finetuned_model", inputs=finetuning)
    models |= {name.removesuffix("_model"): model for name, model in trained.items()}

    translating = plan_hydra(plan, config, lock, {"adapted_model": adapted, **data, **shown})
    tuned = plan_tuning(plan, config, lock, adapted, corpus)
    systems = tuple(name for name in SYSTEMS if name in models)
    evaluations = {f"evaluation_{name}": models[name] for name in systems}
    for name, model in evaluations.items():
        evaluations[name] = plan.step(EVALUATE_MODEL, name, inputs={"model": model, "corpus": corpus})
    compared = {"leaderboard": leaderboard} if leaderboard else {}
    told = {**evaluations, "corpus": corpus, "base_model": base_model, **shown, **trained}
    plan.step(
        WRITE_REPORT,
        inputs={**told, **tuned, **translating, **compared},
        systems=systems,
        base_model_name=config.base_model.name,
    )
    return plan.steps


def plan_start(
    plan: Planner, config: Config, lock: Lock, data: Mapping[str, Step]
) -> tuple[Step, dict[str, Step], dict[str, Step]]:
    """Plan the model that training starts from; return it, what the report shows of it, and the untrained systems."""
    base_model = data["base_model"]
    if config.mapping.keeps_tokenizer:
        return base_model, {}, {"source": base_model}
    initialized, evidence = plan_mapping(plan, config, lock, data)
    both = {"base_model": base_model, "tokenizer": data["tokenizer"]}
    floor = {"mapping": config.mapping.as_random(), "calibration": NoCalibration(method="none")}
    random = plan.step(MAP_EMBEDDINGS, "random_model", inputs=both, **floor)
    shown = {**evidence, "initialized_model": initialized, "tokenizer": data["tokenizer"]}
    return initialized, shown, {"source": base_model, "random": random, "mapped": initialized}


def corpus(config: Config, lock: Lock) -> list[Step]:
    """Plan the corpus and the bitext that the mapping needs, if any, and the report of both."""
    plan = Planner(config.sections(), config.artifacts, config.language.name)
    base_model, text, tokenizer = plan_data(plan, config, lock)
    told = {"corpus": text, "tokenizer": tokenizer, "base_model": base_model}
    if config.mapping.needs_bitext and (bitext := plan_bitext(plan, config, lock, text)):
        told["bitext"] = bitext
    names = {"language_name": config.language.name, "base_model_name": config.base_model.name}
    plan.step(DESCRIBE_CORPUS, inputs=told, **names)
    return plan.steps
