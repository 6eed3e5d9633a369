"""The settings of a mapping as its preset has them."""

import yaml

from pipeline.provenance import ROOT
from stages.map_embeddings.settings import MapEmbeddingsSettings


def preset(method: str, **options) -> MapEmbeddingsSettings:
    """Return conf/mapping/<method>.yaml without warm-up and calibration, some of its options changed."""
    values = yaml.safe_load((ROOT / "conf" / "mapping" / f"{method}.yaml").read_text())
    mapping = {"method": values["method"], "seed": values["seed"], "options": {**values["options"], **options}}
    return mapping_settings(mapping, {"method": "none"})


def calibrated_preset(**changes) -> MapEmbeddingsSettings:
    """Return the default mapping, calibrated on little text, some settings of the calibration changed."""
    values = yaml.safe_load((ROOT / "conf" / "mapping" / "calibrated.yaml").read_text())
    calibration = yaml.safe_load((ROOT / "conf" / "calibration" / "unigram.yaml").read_text())
    mapping = {name: values[name] for name in ("method", "seed", "options")}
    return mapping_settings(mapping, calibration | {"tokens": 96, "window": 16, "threads": 1} | changes)


def mapping_settings(mapping, calibration, **distillation) -> MapEmbeddingsSettings:
    """Return the stage's settings, without a warm-up where `mapping` does not name one."""
    preset = yaml.safe_load((ROOT / "conf" / "distillation" / "default.yaml").read_text())
    sections = {"mapping": {"warmup": "none"} | mapping, "calibration": calibration}
    return MapEmbeddingsSettings.model_validate(sections | {"distillation": preset | distillation})
