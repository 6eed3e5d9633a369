"""What merge_models sees of the configuration."""

from typing import Annotated, Literal

from pydantic import Field

from pipeline.section import Section

Share = Annotated[float, Field(ge=0, le=1)]
Tensors = Literal["all", "tables"]


class NoMerging(Section):
    """No models are merged after their training."""

    method: Literal["none"]


class LateMerging(Section):
    """Of two models that were trained apart, from one tokenizer, the weighted mean."""

    method: Literal["late"]
    weight: Share | Literal["evidence"]
    """Share of the pivot language's model; `evidence`: its share of the counts of aligned words."""
    tensors: Tensors
    """What is averaged: all weights, or input table and head alone, the body being that of the first model."""


MergingSettings = Annotated[NoMerging | LateMerging, Field(discriminator="method")]


class MergeModelsSettings(Section):
    """What merge_models sees."""

    merging: LateMerging
