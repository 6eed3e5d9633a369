"""What Weights & Biases calls a training, finds it by and shows it with; none of it is hashed."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from pipeline import store
from pipeline.plan import Step
from pipeline.settings import Config
from pipeline.stage_catalogue import CONTINUE_PRETRAINING, MAP_EMBEDDINGS, TUNE_INSTRUCTIONS
from stages.map_embeddings.settings import KEEP

TRACKED = (CONTINUE_PRETRAINING, TUNE_INSTRUCTIONS)
PLACE = ("machine", "cluster", "run", "planning")
"""Sections that say where and how something runs, and not what is compared."""
GROUP_LENGTH = 128
"""Characters that W&B takes."""


def tracked(step: Step, given: Mapping[str, str]) -> dict[str, Any]:
    """Return the fields of Execution that tell a step from others; `given` are labels that all of a run have.

    The name is the language, the step's role and the beginning of its hash: `dutch adapted_model f35d01`.
    """
    return {
        "tracking_id": step.folder.name,
        "tracking_name": f"{step.folder.parent.name} {step.name} {step.fingerprint[:6]}",
        "tracking_labels": {**given, **labels(step)},
    }


def labels(step: Step) -> dict[str, Any]:
    """Return what a training was made of, as JSON values; nothing for any other step.

    It is read off the steps before it, not off the config: a comparison runs steps of several configs.
    """
    if step.stage not in TRACKED:
        return {}
    models = [step]
    while "model" in models[-1].inputs:
        models.append(models[-1].inputs["model"])
    tokens = next(model.inputs["tokens"] for model in models if "tokens" in model.inputs)
    return {
        "language": step.folder.parent.name,
        "role": step.name,
        **_beginning(models[-1]),
        **_text(tokens),
        "inputs": {name: given.folder.name for name, given in sorted(step.inputs.items())},
    }


def _beginning(untrained: Step) -> dict[str, Any]:
    """Return base model, tokenizer and mapping; a base model that is trained as it is goes by the mapping `keep`."""
    settings: Any = untrained.settings
    if untrained.stage is not MAP_EMBEDDINGS:
        return {"base_model": settings.base_model.name, "tokenizer": KEEP, "mapping": KEEP}
    base_model: Any = untrained.inputs["base_model"].settings
    tokenizer: Any = untrained.inputs["tokenizer"].settings
    aligned: Any = untrained.inputs["alignment"].settings if "alignment" in untrained.inputs else None
    return {
        "base_model": base_model.base_model.name,
        "tokenizer": tokenizer.tokenizer.kind,
        "vocabulary_size": tokenizer.tokenizer.vocabulary_size,
        "mapping": settings.mapping.method,
        "calibration": settings.calibration.method,
        "alignment": aligned and aligned.alignment.method,
    }


def _text(tokens: Step) -> dict[str, Any]:
    """Return the data cards of the training text, and the share and cards of what is replayed among it."""
    if "replay" not in tokens.inputs:
        return {"corpus": _cards(tokens), "replay": 0.0}
    mixing: Any = tokens.settings
    own, again = _cards(tokens.inputs["tokens"]), _cards(tokens.inputs["replay"])
    return {"corpus": own, "replay": mixing.share, "replay_corpus": again}


def _cards(packed: Step) -> list[str]:
    settings: Any = packed.inputs["corpus"].settings
    return list(settings.corpus.cards)


def with_group(configs: Sequence[Config], last: Step, overrides: Sequence[str]) -> Config:
    """Return the first config with what its trainings have in common: a group, where it has none, and the experiment.

    `last` is what all is made for, `overrides` those of all configs; an experiment that is swept over is no label.
    """
    config = configs[0]
    languages = ",".join(dict.fromkeys(one.language.name for one in configs))
    given = dict(override.partition("=")[::2] for override in overrides)
    experiment = given.get("experiment", "")
    known = {"experiment": experiment} if experiment and "," not in experiment else {}
    run = {
        "group": config.run.group or group_name([languages, last.name], overrides),
        "labels": known | config.run.labels,
    }
    return config.model_copy(update={"run": config.run.model_copy(update=run)})


def group_name(begin: Sequence[str], overrides: Sequence[str]) -> str:
    """Return a group's name: its beginning and the overrides that make a difference, whatever their order.

    >>> group_name(["dutch", "report"], ["language=dutch", "mapping=mean,random", "cluster=one_gpu", "+run.labels.a=b"])
    'dutch report mapping=mean,random'
    """
    telling = [one for one in overrides if one.lstrip("+~").partition("=")[0].split(".")[0] not in ("language", *PLACE)]
    name = " ".join([*begin, *sorted(telling)])
    if len(name) <= GROUP_LENGTH:
        return name
    return f"{name[: GROUP_LENGTH - store.SHORT - 1]}-{hashlib.sha256(name.encode()).hexdigest()[: store.SHORT]}"
