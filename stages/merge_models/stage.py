"""merge_models: two models that were trained apart from one tokenizer become their weighted mean."""

from collections.abc import Mapping
from pathlib import Path

from pipeline.errors import UserError
from pipeline.stage import Execution, Metrics
from stages.merge_models.folders import merge_folders
from stages.merge_models.settings import MergeModelsSettings
from stages.shared.alignment_table import read_table
from stages.shared.artifact import write_json


def merge_models(settings: MergeModelsSettings, inputs: Mapping[str, Path], out: Path, execution: Execution) -> Metrics:
    """Write the merged model as a folder like the inputs', and merging.json with what each had of it.

    Inputs: `model` and `other`, and the alignments that they began with, `evidence` and `other_evidence`.
    """
    merging = settings.merging
    weight = evidence_share(inputs) if merging.weight == "evidence" else merging.weight
    averaged = merge_folders(inputs["model"], inputs["other"], weight, merging.tensors, out)
    described = {"weight": weight, "tensors": merging.tensors, "averaged_tensors": averaged}
    write_json(out / "merging.json", described)
    return described


def evidence_share(inputs: Mapping[str, Path]) -> float:
    """Return the other model's share of the expected counts of aligned words. Raises UserError where there are none."""
    tables = [inputs[name] / "table.tsv" for name in ("evidence", "other_evidence")]
    counts = [sum(pair.expected_count for pair in read_table(table)) for table in tables]
    if not sum(counts):
        raise UserError(f"{tables[0]} and {tables[1]} have no aligned words to weigh by; give merging.weight a number")
    return counts[1] / sum(counts)
