"""Which models' logits are more than hidden states times the head's rows, told from their config."""

from collections.abc import Mapping
from typing import Any

RESCALED_LOGITS = ("final_logit_softcapping", "logit_scale", "logits_scaling", "lm_head_multiplier")


def rescaled_logits(config: Mapping[str, Any]) -> list[str]:
    """Return what in a decoder's config, as config.json has it, changes its logits."""
    return [name for name in RESCALED_LOGITS if config.get(name) not in (None, 1, 1.0)]
