"""build_hydra: one model with the base model's vocabulary and the new one."""

from collections.abc import Mapping
from pathlib import Path

from pipeline.stage import Execution, Metrics
from stages.build_hydra.folder import VocabularySource, write_hydra
from stages.build_hydra.settings import BuildHydraSettings


def build_hydra(settings: BuildHydraSettings, inputs: Mapping[str, Path], out: Path, execution: Execution) -> Metrics:
    """Write the Hydra model: the adapted model, and the base model's rows and head beside its own."""
    language = settings.language
    own = {language.code: language.english_name}
    target = VocabularySource(language.code, inputs["adapted_model"], own)
    source = VocabularySource(language.source_code, inputs["base_model"], settings.heads.source_languages)
    config = write_hydra(target, [source], out)
    return {"input_rows": config.rows, "head_rows": config.vocabularies[0]["size"]}
