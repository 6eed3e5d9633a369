"""How every command carries out its plans: checked, begun so that `make gc` spares what they use, and made."""

from collections.abc import Sequence

from pipeline import explain, runs
from pipeline.chain import carry_out
from pipeline.console import console
from pipeline.estimate import check_disk
from pipeline.gpu_memory import check_trainings
from pipeline.plan import Step, unique
from pipeline.run_labels import with_group
from pipeline.runner import Outcome
from pipeline.settings import Config

Planned = Sequence[tuple[Step, Config]]
"""Each step once, with a config that it is planned for."""


def with_config(plans: Sequence[Sequence[Step]], configs: Sequence[Config]) -> Planned:
    """Return each step of the union of plans, of which each has one config."""
    owners = {step.fingerprint: config for config, plan in zip(configs, plans, strict=True) for step in plan}
    return [(step, owners[step.fingerprint]) for step in unique(plans)]


def execute(
    plans: Sequence[Sequence[Step]],
    configs: Sequence[Config],
    overrides: Sequence[str],
    planned: Planned | None = None,
) -> Outcome | None:
    """Make what plans lack, each of which has one config; None where jobs go on with it after this process has ended.

    `planned` are the steps of all plans, where those of one plan have several configs. Raises UserError before anything
    is made where memory or disk cannot suffice or, with `run.strict`, where the code of finished steps has changed; and
    where a step fails.
    """
    planned = planned or with_config(plans, configs)
    check_trainings(planned)
    check_disk(planned)
    for config, plan in zip(configs, plans, strict=True):
        for line in explain.check_code(plan, config.run.strict):
            console.print(f"note: {line}")
    for config, plan in zip(configs, plans, strict=True):
        runs.begin_run(plan, config, overrides)
    return carry_out(plans, with_group(configs, plans[0][-1], overrides))
