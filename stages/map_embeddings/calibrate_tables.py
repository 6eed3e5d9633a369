"""Calibrates new tables on the training text, as far as that helps to predict it."""

from collections.abc import Mapping

import torch

from stages.map_embeddings.calibration import calibrated, common_direction, fitted_bias, log_frequencies
from stages.map_embeddings.settings import UnigramCalibration
from stages.map_embeddings.untrained_reading import UntrainedReading
from stages.shared.model_folder import ModelFolder

SMALLEST_STRENGTH = 1 / 16
"""As a share of the wanted strength, before calibration is given up."""


def calibrate(
    tables: dict[str, torch.Tensor], hidden: torch.Tensor, reading: UntrainedReading, settings: UnigramCalibration
) -> tuple[dict[str, torch.Tensor], dict[str, float]]:
    """Return the tables, the one that predicts shifted (where the head is tied, the input table), and figures.

    A head that has a bias by token, an encoder's, takes up the shift in it, and its rows stay as they are. The shift is
    halved until the text is predicted better than without it; a model that knows nothing has no direction in common to
    shift along, and is left as it was. `hidden` are the states that the model has with the tables, shape (states,
    hidden).
    """
    model, frequencies = reading.model, log_frequencies(reading.counts, settings.pseudo_count)
    bias = fitted_bias(hidden, reading.head(tables), frequencies, settings.iterations)
    direction, before = common_direction(hidden, settings.ridge), reading.loss(tables, hidden)
    bias, direction = bias.cpu(), direction.cpu()  # where the tables are
    strength = settings.strength
    while strength >= settings.strength * SMALLEST_STRENGTH:
        moved = {**tables, **shifted(model, tables, strength * bias, direction)}
        same = moved[model.input_name] is tables[model.input_name]
        after = reading.loss(moved, hidden if same else None)
        if after < before:
            return moved, {"strength": strength, "loss_before": before, "loss_after": after}
        strength /= 2
    return tables, {"strength": 0.0, "loss_before": before, "loss_after": before}


def shifted(
    model: ModelFolder, tables: Mapping[str, torch.Tensor], bias: torch.Tensor, direction: torch.Tensor
) -> dict[str, torch.Tensor]:
    """Return the tables that take up a bias for each token: that of the head, else the rows, along the direction."""
    if model.bias_names:
        names = model.bias_names
        return {name: (tables[name].to(torch.float32) + bias).to(tables[name].dtype) for name in names}
    head = model.head_name or model.input_name
    return {head: calibrated(tables[head], bias, direction)}
