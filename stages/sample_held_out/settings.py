"""What sample_held_out sees of the configuration."""

from pipeline.section import Section
from stages.shared.training.watching import HeldOutSettings


class SampleHeldOutSettings(Section):
    """The settings of the stage."""

    text: HeldOutSettings
