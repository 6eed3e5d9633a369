"""The optimizers, each over the same groups of weights."""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from pipeline.errors import UserError
from stages.shared.training.devices import EIGHT_BIT_ON_CPU
from stages.shared.training.parameters import Group
from stages.shared.training.settings import AdamW8bit, Muon, TrainingSettings


def make_optimizer(model: nn.Module, groups: list[Group], settings: TrainingSettings) -> torch.optim.Optimizer:
    """Return the optimizer over the groups, in their order; their learning rates are set before each step.

    Raises UserError where it cannot be had on this machine.
    """
    weights = dict(model.named_parameters())
    parameters: list[dict[str, Any]] = [
        {
            "params": [weights[name] for name in group.names],
            "weight_decay": settings.weight_decay if group.decayed else 0.0,
        }
        for group in groups
    ]
    if isinstance(settings.optimizer, Muon):
        return MuonWithAdamW(parameters, [group.multiplied for group in groups], settings.optimizer, settings.betas)
    if isinstance(settings.optimizer, AdamW8bit):
        device = next(iter(weights.values())).device
        optimizer: torch.optim.Optimizer = adamw_8bit(device)(parameters, lr=0.0, betas=settings.betas)
        return optimizer
    return torch.optim.AdamW(parameters, lr=0.0, betas=settings.betas, fused=True)


def adamw_8bit(device: torch.device) -> Callable[..., torch.optim.Optimizer]:
    """Return bitsandbytes' AdamW with moments of 8 bits.

    Raises UserError where the device is no GPU or the library is missing.
    """
    if device.type != "cuda":
        raise UserError(EIGHT_BIT_ON_CPU)
    try:
        import bitsandbytes
    except ImportError:
        raise UserError(
            "optimizer=adamw_8bit needs bitsandbytes: `pip install bitsandbytes`, or optimizer=adamw"
        ) from None
    chosen: Callable[..., torch.optim.Optimizer] = bitsandbytes.optim.AdamW8bit
    return chosen


class MuonWithAdamW(torch.optim.Optimizer):
    """Muon for the groups that are the body's matrices, fused AdamW for the others; one list of groups, one state.

    Muon: https://kellerjordan.github.io/posts/muon; its updates are scaled to the size of AdamW's (arXiv 2502.16982),
    so that one learning rate and weight decay do for both.
    """

    def __init__(
        self, parameters: list[dict[str, Any]], matrices: list[bool], settings: Muon, betas: tuple[float, float]
    ) -> None:
        super().__init__(parameters, {"lr": 0.0})
        mine, others = (
            [group for group, matrix in zip(self.param_groups, matrices, strict=True) if matrix is wanted]
            for wanted in (True, False)
        )
        self.parts: list[torch.optim.Optimizer] = []
        if mine:
            self.parts.append(
                torch.optim.Muon(
                    mine,
                    lr=0.0,
                    momentum=settings.momentum,
                    ns_steps=settings.newton_schulz_steps,
                    adjust_lr_fn="match_rms_adamw",
                )
            )
        if others:
            self.parts.append(torch.optim.AdamW(others, lr=0.0, betas=betas, fused=True))
        for part, groups in zip(self.parts, [kept for kept in (mine, others) if kept], strict=True):
            # The same dicts: a learning rate that is set here holds there, and each finds its own weights' state.
            part.param_groups, part.state = groups, self.state

    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """Take a step with both; there is no closure."""
        for part in self.parts:
            part.step()
