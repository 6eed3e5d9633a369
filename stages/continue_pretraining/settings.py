"""What continue_pretraining sees of the configuration."""

from pipeline.section import Section
from stages.shared.training.settings import TrainingSettings


class ContinuePretrainingSettings(Section):
    """The settings of the stage."""

    training: TrainingSettings
