"""Whether the trainings and tunings of a plan can be shared by the processes and fit the memory; if not, what would."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict

from pipeline.errors import UserError
from pipeline.host_memory import host_problem
from pipeline.plan import Step
from pipeline.roofline import Memory
from pipeline.settings import Config
from pipeline.training_plan import GB, TrainingPlan, plan_training
from pipeline.tuning_plan import TuningPlan, plan_instructions, plan_translation_tuning
from stages.shared.training.share import make_share

AnyPlan = TrainingPlan | TuningPlan
PLANS: dict[str, Callable[[Step, Config], AnyPlan]] = {
    "continue_pretraining": plan_training,
    "tune_instructions": plan_instructions,
    "tune_translation": plan_translation_tuning,
}
"""By stage."""


def trainings(steps: Sequence[tuple[Step, Config]]) -> Iterator[tuple[AnyPlan, Config]]:
    """Yield the trainings and tunings that are still to be run, each with its configuration."""
    for step, config in steps:
        if step.stage.name in PLANS and not step.finished:
            yield PLANS[step.stage.name](step, config), config


def check_trainings(steps: Sequence[tuple[Step, Config]]) -> None:
    """Raise UserError with a line for each training that its processes cannot share or the memory cannot hold.

    That is the GPUs' and, of a Slurm job, the main memory. A line says what would do.
    """
    problems = [
        problem
        for plan, config in trainings(steps)
        for problem in (_problem(plan, config), host_problem(plan, config) if isinstance(plan, TrainingPlan) else None)
        if problem
    ]
    if problems:
        raise UserError("\n".join(problems))


def _problem(plan: AnyPlan, config: Config) -> str | None:
    cluster, batches = config.cluster, plan.batches
    if plan.section:
        try:
            make_share(batches.global_batch, cluster.micro_batch, 0, batches.processes, plan.section)
        except UserError as error:
            return f"{plan.name}: {error}"
    needed = plan.memory()
    if plan.sharded and plan.unshardable:
        return f"{plan.name}: {plan.unshardable}"
    if cluster.device == "cpu" or cluster.gpu is None:
        return None
    gpus = {name: facts.memory_gb * GB for name, facts in config.planning.gpus.items()}
    room = gpus[cluster.gpu]
    if needed.total <= room:
        return None
    fitting = list(ways_to_fit(plan, room)) + list(_larger_gpus(plan, gpus, room))
    remedy = (
        f"what would fit: {'; or '.join(fitting)}" if fitting else "nothing known here would fit; take a smaller model"
    )
    return (
        f"{plan.name} needs about {_gb(needed.total)} GB on each GPU ({memory_words(needed)}), and cluster.gpu="
        f"{cluster.gpu} has {_gb(room)} GB; {remedy}"
    )


def ways_to_fit(plan: AnyPlan, room: float) -> Iterator[str]:
    """Yield, as settings to give, the smallest change of each kind with which a training needs at most `room` bytes.

    Only what is not chosen yet is named.
    """
    for group in plan.forms():
        if form := _first(group, room):
            yield f"{_changes(plan, form)} ({_gb(form.memory().total)} GB each)"


def _larger_gpus(plan: AnyPlan, gpus: dict[str, float], room: float) -> Iterator[str]:
    for name, larger in gpus.items():
        if larger > room and (form := _first(next(plan.forms()), larger)):
            yield f"cluster.gpu={name} {_changes(plan, form)}".strip() + " where you have one"


def _first(forms: Sequence[AnyPlan], room: float) -> AnyPlan | None:
    return next((form for form in forms if form.memory().total <= room), None)


def _changes(plan: AnyPlan, form: AnyPlan) -> str:
    chosen = plan.settings()
    return " ".join(setting for setting in form.settings() if setting not in chosen)


def memory_words(needed: Memory) -> str:
    """Return the parts of a memory in GB, in words; a reference model only where there is one."""
    return ", ".join(f"{name} {_gb(size)}" for name, size in asdict(needed).items() if size or name != "reference")


def _gb(size: float) -> str:
    return f"{size / GB:.1f}"
