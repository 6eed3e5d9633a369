"""Calibrates new tables on the training text, as far as that helps to predict it."""

from collections.abc import Mapping
from pathlib import Path

import torch

from stages.map_embeddings.calibration import calibrated, common_direction, fitted_bias, log_frequencies
from stages.map_embeddings.masked_text import MaskedReader
from stages.map_embeddings.running_text import Reader, read_running_text
from stages.map_embeddings.settings import UnigramCalibration
from stages.shared.document_encoder import load_encoder
from stages.shared.model_folder import ModelFolder

SMALLEST_STRENGTH = 1 / 16
"""As a share of the wanted strength, before calibration is given up."""


def calibrate(
    tables: dict[str, torch.Tensor],
    model: ModelFolder,
    settings: UnigramCalibration,
    inputs: Mapping[str, Path],
    device: str,
) -> tuple[dict[str, torch.Tensor], dict[str, float]]:
    """Return the tables, the one that predicts shifted (where the head is tied, the input table), and figures.

    A head that has a bias by token, an encoder's, takes up the shift in it, and its rows stay as they are. The shift is
    halved until the text is predicted better than without it; a model that knows nothing has no direction in common to
    shift along, and is left as it was.
    """
    encoder = load_encoder(inputs["tokenizer"])
    torch.set_num_threads(settings.threads)
    text = read_running_text(inputs["corpus"], encoder, settings.max_bytes, settings.tokens, settings.window)
    dtype = tables[model.input_name].dtype
    reader: Reader | MaskedReader
    if model.masked:
        reader = MaskedReader(model.path, text.windows, encoder.tokenizer, dtype, device)
    else:
        reader = Reader(model.path, text.windows, dtype, device)
    hidden = states(reader, model, tables)
    frequencies = log_frequencies(torch.from_numpy(text.counts), settings.pseudo_count)
    bias = fitted_bias(hidden, head_rows(model, tables), frequencies, settings.iterations)
    direction, before = common_direction(hidden, settings.ridge), reader.loss(hidden, head_rows(model, tables))
    strength = settings.strength
    while strength >= settings.strength * SMALLEST_STRENGTH:
        moved = {**tables, **shifted(model, tables, strength * bias, direction)}
        same = moved[model.input_name] is tables[model.input_name]
        after = reader.loss(hidden if same else states(reader, model, moved), head_rows(model, moved))
        if after < before:
            return moved, {"strength": strength, "loss_before": before, "loss_after": after}
        strength /= 2
    return tables, {"strength": 0.0, "loss_before": before, "loss_after": before}


def states(reader: Reader | MaskedReader, model: ModelFolder, tables: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """Return the hidden states, and where the head has a bias a 1 behind each, which meets it."""
    hidden = reader.hidden_states(tables[model.input_name])
    return torch.cat([hidden, torch.ones(len(hidden), 1)], dim=1) if model.bias_names else hidden


def head_rows(model: ModelFolder, tables: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """Return the rows that predict, in float32, and where the head has a bias that of each row behind it."""
    rows = tables[model.head_name or model.input_name].to(torch.float32)
    if not model.bias_names:
        return rows
    return torch.cat([rows, tables[model.bias_names[0]].to(torch.float32)[:, None]], dim=1)


def shifted(
    model: ModelFolder, tables: Mapping[str, torch.Tensor], bias: torch.Tensor, direction: torch.Tensor
) -> dict[str, torch.Tensor]:
    """Return the tables that take up a bias for each token: that of the head, else the rows, along the direction."""
    if model.bias_names:
        names = model.bias_names
        return {name: (tables[name].to(torch.float32) + bias).to(tables[name].dtype) for name in names}
    head = model.head_name or model.input_name
    return {head: calibrated(tables[head], bias, direction)}
