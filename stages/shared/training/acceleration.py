"""What makes a training faster or smaller on this machine and leaves its result alone."""

import shutil
import sys
from typing import Any

from accelerate import Accelerator
from torch._inductor import config as inductor
from torch.utils._triton import has_triton
from transformers.utils.import_utils import is_flash_attn_2_available

from pipeline.errors import UserError
from pipeline.stage import Execution
from stages.shared.training.devices import against_flash_attention, without_flash_attention
from stages.shared.training.loss import LossModel
from stages.shared.training.settings import TrainingSettings
from stages.shared.training.sharding import layers, shard


def is_sharded(execution: Execution, accelerator: Accelerator) -> bool:
    """Tell whether the processes share the model; one process alone has nobody to share with."""
    return execution.sharding == "full" and accelerator.num_processes > 1


def is_sent_weights(accelerator: Accelerator, execution: Execution) -> bool:
    """Tell whether this process gets its part of the model from the first, and need not load any."""
    return is_sharded(execution, accelerator) and not accelerator.is_main_process


def accelerate_model(
    model: Any, settings: TrainingSettings, accelerator: Accelerator, execution: Execution
) -> LossModel | None:
    """Set a loaded model up for this machine, in place; return the module that gives its loss where it is sharded.

    Before the optimizer is made. Raises UserError for what the machine does not have.
    """
    window = getattr(model.config.get_text_config(), "sliding_window", None)
    kernel = attention_kernel(settings, execution, window)
    if kernel != model.config._attn_implementation:
        model.set_attn_implementation(kernel)
    if accelerator.is_main_process and lacks_flash_attention(settings, execution, window):
        length = settings.sequence_length
        print(
            f"attention has a mask of {length} x {length}, with which torch's kernel is slow; FlashAttention needs "
            "none: pip install flash-attn --no-build-isolation",
            file=sys.stderr,
        )
    if execution.activation_checkpointing:
        checkpoint_activations(model)
    if execution.compile:
        check_compiler(execution.device)
        for layer in layers(model):  # one after the other: they are alike, so that only the first costs time
            layer.compile()
    if not is_sharded(execution, accelerator):
        return None
    if settings.unshardable:
        raise UserError(settings.unshardable)
    loss_model = LossModel(model, settings.attention == "document")
    shard(loss_model, settings.precision, accelerator)
    return loss_model


def checkpoint_activations(model: Any) -> None:
    """Have a model keep only what goes into each layer, and compute the rest again for the gradients."""
    # transformers' name until 5.22, which a bare machine may have; since then it warns, and it leaves with 6.
    enable = getattr(model, "activation_checkpointing_enable", None) or model.gradient_checkpointing_enable
    enable({"use_reentrant": False})


def attention_kernel(settings: TrainingSettings, execution: Execution, window: int | None) -> str:
    """Return transformers' name of the attention kernel to take; `window`: how far a token of the model sees, if told.

    `auto` takes FlashAttention for documents, and for a window that sequences fill: for both transformers gives torch's
    own kernel a mask of length x length, with which it is slow; without one it is as fast. Raises UserError where
    FlashAttention is asked for and cannot be had.
    """
    if execution.attention_kernel == "sdpa":
        return "sdpa"
    problems = against_flash_attention(execution.device, settings.precision)
    if not is_flash_attn_2_available():
        problems.append("the package flash-attn is not installed")
    if execution.attention_kernel == "auto":
        return "flash_attention_2" if needs_mask(settings, window) and not problems else "sdpa"
    if problems:
        raise UserError(without_flash_attention(problems))
    return "flash_attention_2"


def needs_mask(settings: TrainingSettings, window: int | None) -> bool:
    """Tell whether transformers gives torch's own kernel a mask; `window` as for `attention_kernel`."""
    windowed = settings.objective == "causal" and window is not None and window <= settings.sequence_length
    return settings.attention == "document" or windowed


def lacks_flash_attention(settings: TrainingSettings, execution: Execution, window: int | None) -> bool:
    """Tell whether `auto` would take FlashAttention, were its package installed; `window` as for `attention_kernel`."""
    able = execution.device == "cuda" and settings.precision == "bfloat16" and not is_flash_attn_2_available()
    return able and execution.attention_kernel == "auto" and needs_mask(settings, window)


def check_compiler(device: str) -> None:
    """Raise UserError where torch.compile has nothing to compile with."""
    if device == "cuda":
        missing = None if has_triton() else "Triton for this GPU (pip install triton)"
    else:
        compilers = [name for name in inductor.cpp.cxx if name]
        found = any(shutil.which(name) for name in compilers)
        missing = None if found else f"a C++ compiler ({' or '.join(compilers)})"
    if missing:
        raise UserError(
            f"cluster.compile=true needs {missing}, which is not here; install it, or give cluster.compile=false"
        )
