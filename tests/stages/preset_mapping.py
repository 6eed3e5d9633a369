"""The settings of a mapping as its preset has them."""

import yaml

from pipeline.provenance import ROOT
from stages.map_embeddings.settings import MapEmbeddingsSettings


def preset(method: str, **options) -> MapEmbeddingsSettings:
    """Return conf/mapping/<method>.yaml without calibration, some of its options changed."""
    values = yaml.safe_load((ROOT / "conf" / "mapping" / f"{method}.yaml").read_text())
    mapping = {key: values[key] for key in ("method", "seed")} | {"options": {**values["options"], **options}}
    return MapEmbeddingsSettings.model_validate({"mapping": mapping, "calibration": {"method": "none"}})
