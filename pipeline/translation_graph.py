"""How translation is compared: the base model and the Hydra model, each as it is and fine-tuned on pairs."""

from collections.abc import Mapping

from pipeline.card_lock import Lock
from pipeline.mapping_graph import plan_bitext
from pipeline.plan import Planner, Step
from pipeline.question_graph import plan_questions
from pipeline.settings import Config
from pipeline.stage_catalogue import (
    BACK_TRANSLATE,
    BUILD_HYDRA,
    EVALUATE_TRANSLATION,
    FETCH_TRANSLATOR,
    TUNE_TRANSLATION,
)
from stages.back_translate.settings import FetchedBackTranslation, FileBackTranslation, NoBackTranslation
from stages.build_hydra.settings import HydraHeads
from stages.evaluate_translation.settings import MODELS, REPAIRED
from stages.shared.translation.settings import FuzzyRepair, Language, Languages


def plan_hydra(plan: Planner, config: Config, lock: Lock, made: Mapping[str, Step]) -> dict[str, Step]:
    """Plan the Hydra model of a base model and the adapted one, and how it translates; nothing with heads=none."""
    if not isinstance(config.heads, HydraHeads):
        return {}
    bitext = made.get("bitext") or plan_bitext(plan, config, lock, made["corpus"])
    assert bitext is not None  # the configuration was checked
    models = {name: made[name] for name in ("base_model", "adapted_model")}
    hydra = plan.step(BUILD_HYDRA, inputs=models)
    translation = plan_translation(plan, config, config.heads, {**made, "bitext": bitext, "hydra_model": hydra})
    asked = {**models, "hydra_model": hydra, "corpus": made["corpus"], "bitext": bitext}
    answers = plan_questions(plan, config, translated_languages(config, config.heads), asked)
    return {"hydra_model": hydra, "translation": translation, **answers}


def plan_translation(plan: Planner, config: Config, heads: HydraHeads, made: Mapping[str, Step]) -> Step:
    """Plan the systems and their comparison, out of `base_model`, `hydra_model`, `corpus` and `bitext`.

    Both models are tuned on the same pairs in the same steps, whatever their tokenizers make of them; where text is
    back-translated, the Hydra model is tuned on that as well, on as many pairs and bytes; and with `repair` on the same
    pairs with matches.
    """
    languages = translated_languages(config, heads)
    repair = config.repair if isinstance(config.repair, FuzzyRepair) else None
    matching = repair.matching if repair else None
    models = {"base": made["base_model"], "hydra": made["hydra_model"]}
    pairs = {"bitext": made["bitext"]}
    tuned_on = [("base", "parft", "bitext"), ("hydra", "parft", "bitext")]
    if not isinstance(config.back_translation, NoBackTranslation):
        pairs["back_translation"] = plan_back_translation(plan, config, languages, made)
        tuned_on.append(("hydra", "backft", "back_translation"))
    systems = dict(models)
    for name, treatment, given in tuned_on:
        system = f"{name}_{treatment}"
        inputs = {"model": models[name], "base_model": made["base_model"], "bitext": pairs[given]}
        if given != "bitext":
            inputs["equal_to"] = made["bitext"]
        shared = {"prompt": config.translation.prompt, "languages": languages}
        systems[system] = plan.step(TUNE_TRANSLATION, f"{system}_model", inputs=inputs, matching=None, **shared)
        if repair and system in repair.systems:
            inputs["memory"] = made["bitext"]
            system += REPAIRED
            systems[system] = plan.step(TUNE_TRANSLATION, f"{system}_model", inputs=inputs, matching=matching, **shared)
    ordered = tuple(name for name in MODELS if name in systems)
    inputs = {f"system_{name}": systems[name] for name in ordered}
    return plan.step(
        EVALUATE_TRANSLATION,
        inputs={**inputs, "corpus": made["corpus"], **pairs},
        languages=languages,
        systems=ordered,
        matching=matching,
    )


def plan_back_translation(plan: Planner, config: Config, languages: Languages, made: Mapping[str, Step]) -> Step:
    """Plan the pairs whose sources a machine made: by a model of this run, by a pretrained one, or out of files."""
    given = config.back_translation
    assert not isinstance(given, NoBackTranslation)  # nothing is planned then
    if isinstance(given, FileBackTranslation):
        return plan.step(BACK_TRANSLATE, inputs={}, translation=None, languages=languages)
    if isinstance(given, FetchedBackTranslation):
        model = plan.step(FETCH_TRANSLATOR, inputs={}, model=given.model, revision=given.revision, kind=given.method)
    else:
        model = made[f"{given.method}_model"]
    return plan.step(BACK_TRANSLATE, inputs={"model": model, "corpus": made["corpus"]}, languages=languages)


def translated_languages(config: Config, heads: HydraHeads) -> Languages:
    """Return from which language into which is translated: from the base model's own."""
    code, target = config.language.source_code, config.language
    return Languages(
        source=Language(code=code, english_name=heads.source_languages.get(code, code)),
        target=Language(code=target.code, english_name=target.english_name),
    )
