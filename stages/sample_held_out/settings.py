"""What sample_held_out sees of the configuration."""

from typing import Any

from pipeline.section import Section
from stages.shared.other_domain import OtherDomain
from stages.shared.training.watching import HeldOutSettings


class SampleHeldOutSettings(Section):
    """The settings of the stage."""

    text: HeldOutSettings
    other_domain: OtherDomain | None
    """A file that is sampled in the place of a corpus or bitext; null where there is such an input."""

    def identity(self) -> dict[str, Any]:
        """Return what is hashed; a file that is not there is not named."""
        return {name: value for name, value in super().identity().items() if value is not None}
