"""What trainings need of the device, as far as settings tell; without torch, since plans are checked by it too."""

EIGHT_BIT_ON_CPU = "optimizer=adamw_8bit runs on an Nvidia GPU alone: choose cluster=one_gpu, or optimizer=adamw"


def against_flash_attention(device: str, precision: str) -> list[str]:
    """Return why FlashAttention cannot be had on a device in a precision, none where it can.

    >>> against_flash_attention("cpu", "bfloat16")
    ['it needs cluster.device=cuda']
    """
    reasons = {
        "it needs cluster.device=cuda": device != "cuda",
        "it needs training.precision=bfloat16": precision != "bfloat16",
    }
    return [reason for reason, holds in reasons.items() if holds]


def without_flash_attention(reasons: list[str]) -> str:
    """Return the error for a kernel that was asked for and cannot be had."""
    return f"cluster.attention_kernel=flash_attention_2: {'; '.join(reasons)}. Choose cluster.attention_kernel=sdpa"
