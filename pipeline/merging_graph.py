"""How two languages' evidence is merged after the training: a model from each alone, and their mean (late merge)."""

from collections.abc import Mapping

from pipeline.mapping_graph import plan_rows
from pipeline.plan import Planner, Step
from pipeline.settings import Config
from pipeline.stage_catalogue import ALIGN_TOKENS, CONTINUE_PRETRAINING, MERGE_MODELS
from stages.merge_models.settings import LateMerging


def plan_late_merge(
    plan: Planner, config: Config, made: Mapping[str, Step], training: Mapping[str, Step]
) -> dict[str, Step]:
    """Plan a model from the bitext alone, one from the pivot's alone, and the merged one; nothing with merging=none.

    `made` holds data and evidence, `training` what the adapted model is trained with besides a model: so all three see
    the same text. The first of them is that of a run without pivots.
    """
    if not isinstance(config.merging, LateMerging):
        return {}
    (pivot,) = config.pivots.cards
    aligned = {"model": made["alignment"], "other": made[f"alignment_{pivot}"]}
    codes = {"model": config.language.source_code, "other": pivot}
    others = {kind: step for kind, step in made.items() if step.stage is not ALIGN_TOKENS}
    trained = {}
    for role, table in aligned.items():
        model = plan_rows(plan, config, made, {**others, "alignment": table}, f"initialized_model_{codes[role]}")
        trained[role] = plan.step(
            CONTINUE_PRETRAINING, f"adapted_model_{codes[role]}", inputs={"model": model, **training}
        )
    evidence = {"evidence": aligned["model"], "other_evidence": aligned["other"]}
    return {"merged_model": plan.step(MERGE_MODELS, inputs={**trained, **evidence})}
