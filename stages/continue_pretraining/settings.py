"""What continue_pretraining sees of the configuration."""

from typing import Any

from pipeline.section import Section
from stages.shared.training.settings import TrainingSettings


class ContinuePretrainingSettings(Section):
    """The settings of the stage."""

    training: TrainingSettings

    def identity(self) -> dict[str, Any]:
        """Return what is hashed."""
        return {**super().identity(), "training": self.training.identity()}
