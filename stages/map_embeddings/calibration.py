"""Unigram calibration: new rows shifted so that the model, before any training, predicts each token about as often as
the text of the new language holds it.

Mapped rows say what a token means, but nothing of how frequent it is in the new language; learning that from a short
training takes most of it. The logits get a bias for each token, found by iterative proportional fitting (Deming and
Stephan 1940) of the model's mean prediction to the frequencies; and since a decoder's head has no bias, the bias
becomes a multiple of the one direction that every hidden state has in common.
"""

import torch

CHUNK = 512
"""Hidden states whose logits are held at once."""


def log_frequencies(counts: torch.Tensor, pseudo_count: float) -> torch.Tensor:
    """Return the smoothed log-probability of each token, float64, shape (tokens,)."""
    smoothed = counts.to(torch.float64) + pseudo_count
    return smoothed.log() - smoothed.sum().log()


def fitted_bias(hidden: torch.Tensor, head: torch.Tensor, log_frequency: torch.Tensor, iterations: int) -> torch.Tensor:
    """Return a bias for each token's logit, with which the mean prediction is the frequency.

    Shapes: hidden states (states, hidden) and head (tokens, hidden), float32 on one device, log-frequencies (tokens,);
    the bias is float32 on that device, its mean by frequency 0.
    """
    bias = torch.zeros(len(head), device=head.device)
    target = log_frequency.to(head.device, torch.float32)
    for _ in range(iterations):
        predicted = torch.zeros(len(head), device=head.device)
        for part in torch.split(hidden, CHUNK):
            predicted += torch.softmax(torch.addmm(bias, part, head.T), dim=-1).sum(dim=0)
        bias += target - (predicted / len(hidden)).clamp_min(torch.finfo(torch.float32).tiny).log()
    return bias - (bias * target.exp()).sum()


def common_direction(hidden: torch.Tensor, ridge: float) -> torch.Tensor:
    """Return the shortest vector whose product with each hidden state is about 1, float32, shape (hidden,).

    Ridge regression onto a constant; `ridge` is a share of the mean squared norm of the states. It is on their device.
    """
    states = hidden.to(torch.float64)
    gram = states.T @ states
    penalty = ridge * float(states.square().sum()) / len(states)
    matrix = gram + penalty * torch.eye(len(gram), dtype=torch.float64, device=gram.device)
    solved: torch.Tensor = torch.linalg.solve(matrix, states.sum(dim=0))
    return solved.to(torch.float32)


def calibrated(table: torch.Tensor, bias: torch.Tensor, direction: torch.Tensor) -> torch.Tensor:
    """Return the table with bias x direction added to its rows, in its own dtype.

    A tied table is shifted as a whole: what the token is read as moves along with what it is predicted as.
    """
    return (table.to(torch.float32) + bias[:, None] * direction).to(table.dtype)
