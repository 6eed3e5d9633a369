"""Runs an aligner of sil-thot in a process of its own: arguments are the two sides, the output and JSON settings."""

import json
import sys
from typing import Any

import numpy as np
from thot.alignment import EflomalAlignmentModel, FastAlignModel

UNSEEN = 1e-8
"""Probabilities below are the models' way to say that the pair was never seen."""


def build(settings: dict[str, Any]) -> Any:
    """Return an untrained model."""
    model: Any
    if settings["method"] == "thot_fast_align":
        model = FastAlignModel()
        model.variational_bayes = settings["variational_bayes"]
        model.fast_align_p0 = settings["p0"]
        return model
    model = EflomalAlignmentModel()
    model.seed = settings["seed"]
    model.num_samplers = settings["samplers"]
    model.deterministic = True
    model.p0 = settings["p0"]
    if settings["iterations"] is not None:
        model.auto_iterations = False
        model.set_iterations(*settings["iterations"])
    return model


def train(model: Any, settings: dict[str, Any], source: str, target: str) -> None:
    """Train on two files of as many lines."""
    model.read_sentence_pairs(source, target)
    model.start_training()
    own = getattr(model, "scheduled_iterations", None)
    for _ in range(settings["iterations"] if own is None else own):
        model.train()
    model.end_training()


def write(model: Any, path: str) -> None:
    """Write source (-1 the null word), target and probability of each pair."""
    words = [model.get_trg_word(row) for row in range(model.trg_vocab_size)]
    numbers = np.array([int(word) if word.isdigit() else -1 for word in words])
    sources, targets, probabilities = [], [], []
    for row in range(model.src_vocab_size):
        name = model.get_src_word(row)
        if row and not name.isdigit():
            continue
        found = np.array(model.get_translations(row, UNSEEN)).reshape(-1, 2)
        partners = numbers[found[:, 0].astype(np.int64)]
        found, partners = found[partners >= 0], partners[partners >= 0]
        sources.append(np.full(len(found), int(name) if row else -1))
        targets.append(partners)
        probabilities.append(found[:, 1].astype(np.float32))
    np.savez(
        path,
        sources=np.concatenate(sources),
        targets=np.concatenate(targets),
        probabilities=np.concatenate(probabilities),
    )


if __name__ == "__main__":
    source, target, out, described = sys.argv[1:]
    wanted = json.loads(described)
    aligner = build(wanted)
    train(aligner, wanted, source, target)
    write(aligner, out)
