"""Calibrates new tables on the training text, as far as that helps to predict it."""

from collections.abc import Mapping
from pathlib import Path

import torch

from stages.map_embeddings.calibration import calibrated, common_direction, fitted_bias, log_frequencies
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

    The shift is halved until the text is predicted better than without it; a model that knows nothing has no direction
    in common to shift along, and is left as it was.
    """
    encoder = load_encoder(inputs["tokenizer"])
    torch.set_num_threads(settings.threads)
    text = read_running_text(inputs["corpus"], encoder, settings.max_bytes, settings.tokens, settings.window)
    reader = Reader(model.path, text.windows, tables[model.input_name].dtype, device)
    hidden, head = reader.hidden_states(tables[model.input_name]), model.head_name or model.input_name
    frequencies = log_frequencies(torch.from_numpy(text.counts), settings.pseudo_count)
    bias = fitted_bias(hidden, tables[head].to(torch.float32), frequencies, settings.iterations)
    direction, before = common_direction(hidden, settings.ridge), reader.loss(hidden, tables[head])
    strength = settings.strength
    while strength >= settings.strength * SMALLEST_STRENGTH:
        shifted = {**tables, head: calibrated(tables[head], strength * bias, direction)}
        after = reader.loss(reader.hidden_states(shifted[model.input_name]), shifted[head])
        if after < before:
            return shifted, {"strength": strength, "loss_before": before, "loss_after": after}
        strength /= 2
    return tables, {"strength": 0.0, "loss_before": before, "loss_after": before}
