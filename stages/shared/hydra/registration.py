"""Makes transformers' Auto classes know Hydra models, so that they load here without `trust_remote_code`."""

from transformers import AutoConfig, AutoModelForCausalLM, AutoProcessor

from stages.shared.hydra.configuration import HydraConfig
from stages.shared.hydra.modeling import HydraForCausalLM
from stages.shared.hydra.processing import HydraProcessor


def register() -> None:
    """Register the three classes; again: changes nothing. Saved models carry their code along."""
    AutoConfig.register(HydraConfig.model_type, HydraConfig, exist_ok=True)
    AutoModelForCausalLM.register(HydraConfig, HydraForCausalLM, exist_ok=True)
    AutoProcessor.register(HydraConfig, HydraProcessor, exist_ok=True)  # type: ignore[no-untyped-call]
    HydraConfig.register_for_auto_class()  # type: ignore[no-untyped-call]
    HydraForCausalLM.register_for_auto_class("AutoModelForCausalLM")  # type: ignore[no-untyped-call]
