"""What compare_training sees of the configuration."""

from typing import Annotated, Any

from pydantic import Field, NonNegativeInt

from pipeline.section import Section
from stages.shared.training.settings import TrainingSettings


class CurvesSettings(Section):
    """What `make curves` compares."""

    seeds: Annotated[tuple[NonNegativeInt, ...], Field(min_length=1)]
    """Orders of the training text, `training.seed`; both models are trained in each."""
    replay: Annotated[tuple[str, ...], Field(min_length=1)]
    """Files of conf/replay/; both models are trained with each."""
    confidence: Annotated[float, Field(gt=0, lt=1)]
    """Of the intervals over the seeds."""


class Variant(Section):
    """One way to train both models, in several orders of the text."""

    replay: str
    """File of conf/replay/."""
    share: Annotated[float, Field(ge=0, lt=1)]
    """Of the training tokens: text of the base model's own language."""
    seeds: Annotated[tuple[NonNegativeInt, ...], Field(min_length=1)]


class CompareTrainingSettings(Section):
    """The settings of the stage."""

    language_name: str
    source_code: str
    """The base model's language."""
    base_model_name: str
    training: TrainingSettings
    """As both models were trained, with the first seed."""
    variants: tuple[Variant, ...]
    """`adapted_<replay>_<seed>` and `source_finetuned_<replay>_<seed>` are inputs for each, and their tokens."""
    confidence: Annotated[float, Field(gt=0, lt=1)]
    """Of the intervals over the seeds."""

    def identity(self) -> dict[str, Any]:
        """Return what is hashed."""
        return {**super().identity(), "training": self.training.identity()}
