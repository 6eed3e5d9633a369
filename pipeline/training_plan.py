"""What the trainings of a plan cost on GPUs, and whether they fit: the configuration's facts put into the roofline."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from pipeline import roofline
from pipeline.errors import UserError
from pipeline.plan import Step
from pipeline.planning_settings import GpuFacts
from pipeline.roofline import Batches, Gpu, Memory, MemoryFacts, Moments, Shape
from pipeline.settings import Config

GB = 1e9
BYTES = {"float32": 4, "bfloat16": 2}
MOMENTS = {"adamw": Moments(8, 8), "adamw_8bit": Moments(2.04, 2.04), "muon": Moments(4, 8)}
"""By optimizer: two moments in float32; in 8 bits, with a float32 scale for 256 of them; of the body one."""
PROCESSES = (2, 4, 8, 16, 32, 64)
FEWER = ("2x2", "embeddings")
"""What phases may train where all does not fit."""


@dataclass(frozen=True)
class TrainingPlan:
    """One training of a plan."""

    name: str
    shape: Shape
    phases: tuple[tuple[str, float], ...]
    """What each phase trains, and its tokens."""
    batches: Batches
    facts: MemoryFacts
    sharded: bool
    checkpointing: bool
    unshardable: str | None
    """Why its model cannot be shared by processes; None where it can."""

    @property
    def most(self) -> str:
        """What the phase that needs most memory trains: weights, and where these are as many, layers or adapters."""
        return max((train for train, _ in self.phases), key=lambda train: self._memory(train).total)

    @property
    def tokens(self) -> float:
        """Tokens of all phases."""
        return sum(tokens for _, tokens in self.phases)

    @property
    def flops(self) -> float:
        """Floating-point operations of the whole training."""
        length = self.batches.sequence_length
        return sum(
            tokens * roofline.flops_per_token(self.shape, train, length, self.checkpointing)
            for train, tokens in self.phases
        )

    def seconds(self, gpu: Gpu, utilisation: float) -> float:
        """Return the seconds of all its processes, each on such a GPU."""
        step_tokens = self.batches.global_batch * self.batches.sequence_length
        return sum(
            tokens
            / step_tokens
            * roofline.step_seconds(self.shape, train, self.batches, gpu, utilisation, self.checkpointing)
            for train, tokens in self.phases
        )

    def memory(self) -> Memory:
        """Return the bytes on each GPU in the phase that needs most."""
        return self._memory(self.most)

    def _memory(self, train: str) -> Memory:
        return roofline.memory(self.shape, train, self.batches, self.facts, self.sharded, self.checkpointing)


def plan_training(step: Step, config: Config) -> TrainingPlan:
    """Return what a step of `continue_pretraining` is planned as."""
    base, training, planning = config.base_model, config.training, config.planning
    tied = base.name in planning.tied_models
    shape = roofline.make_shape(base.parameters, base.vocabulary_size, base.hidden_size, base.layers, tied)
    if "match" not in step.inputs["tokens"].inputs and not config.mapping.keeps_tokenizer:
        shape = shape.with_vocabulary(config.tokenizer.vocabulary_size)
    tokens = training_tokens(step, config)
    return TrainingPlan(
        name=step.name,
        shape=shape,
        phases=tuple((_trained(phase.train, config), phase.share * tokens) for phase in training.phases),
        batches=Batches(
            training.sequence_length, training.global_batch, config.cluster.micro_batch, config.cluster.processes
        ),
        facts=MemoryFacts(
            moments=MOMENTS[training.optimizer.method],
            compute_bytes=BYTES[training.precision],
            activation_bytes=planning.activation_bytes[training.precision],
            frozen_activation_bytes=planning.frozen_activation_bytes[training.precision],
            chunk_bytes=planning.logits_chunk_bytes,
            reserved_bytes=planning.reserved_gb * GB,
        ),
        sharded=config.cluster.sharding == "full" and config.cluster.processes > 1,
        checkpointing=config.cluster.activation_checkpointing,
        unshardable=training.unshardable,
    )


def _trained(train: str, config: Config) -> str:
    """Return what a phase trains, in the roofline's words."""
    adapter = config.training.adapter
    if adapter.method == "none" or train == "embeddings":
        return train
    return roofline.LORA if adapter.embeddings else roofline.ADAPTERS


def training_tokens(step: Step, config: Config) -> int:
    """Return the tokens of a training step: the packed ones once they are made, else the budget."""
    packed = step.inputs["tokens"]
    if packed.finished:
        return packed.metrics()["tokens"]
    ratio = config.planning.source_token_ratio if "match" in packed.inputs else 1.0
    return round(config.training.tokens * ratio)


def make_gpu(facts: GpuFacts, config: Config) -> Gpu:
    """Return what a kind of GPU can do in the training's precision."""
    return Gpu(facts.flops_per_second[config.training.precision], facts.bytes_per_second, facts.memory_gb * GB)


def planned_rate(step: Step, config: Config) -> float | None:
    """Return the tokens a second on the cluster's GPUs, None where it has none whose facts are known."""
    cluster, planning = config.cluster, config.planning
    if cluster.device == "cpu" or cluster.gpu is None:
        return None
    plan = plan_training(step, config)
    return plan.tokens / plan.seconds(make_gpu(planning.gpus[cluster.gpu], config), planning.utilisation)


def trainings(steps: Sequence[tuple[Step, Config]]) -> Iterator[tuple[TrainingPlan, Config]]:
    """Yield the trainings that are still to be run, each with its configuration."""
    for step, config in steps:
        if step.stage.name == "continue_pretraining" and not step.finished:
            yield plan_training(step, config), config


def check_memory(steps: Sequence[tuple[Step, Config]]) -> None:
    """Raise UserError with a line for each training that cannot be sharded or cannot fit into the cluster's GPUs.

    A line says what would fit.
    """
    problems = [problem for plan, config in trainings(steps) if (problem := _problem(plan, config))]
    if problems:
        raise UserError("\n".join(problems))


def _problem(plan: TrainingPlan, config: Config) -> str | None:
    cluster, needed = config.cluster, plan.memory()
    if plan.sharded and plan.unshardable:
        return f"{plan.name}: {plan.unshardable}"
    if cluster.device == "cpu" or cluster.gpu is None:
        return None
    room = config.planning.gpus[cluster.gpu].memory_gb * GB
    if needed.total <= room:
        return None
    fitting = list(ways_to_fit(plan, room))
    fitting += [
        f"cluster.gpu={name} where you have one"
        for name, facts in config.planning.gpus.items()
        if needed.total <= facts.memory_gb * GB
    ]
    remedy = (
        f"what would fit: {'; or '.join(fitting)}" if fitting else "nothing known here would fit; take a smaller model"
    )
    return (
        f"{plan.name} needs about {_gb(needed.total)} GB on each GPU ({memory_words(needed)}), and cluster.gpu="
        f"{cluster.gpu} has {_gb(room)} GB; {remedy}"
    )


def ways_to_fit(plan: TrainingPlan, room: float) -> Iterator[str]:
    """Yield, as settings to give, the smallest changes with which a training needs no more than `room` bytes."""
    yield from _leaner(plan, room, "")[:1]
    least = plan.batches.processes + plan.sharded
    for processes in () if plan.unshardable else PROCESSES:
        if processes >= least and plan.batches.global_batch % processes == 0:
            shared = replace(plan, batches=replace(plan.batches, processes=processes), sharded=True)
            if ways := _leaner(shared, room, f"cluster.sharding=full cluster.processes={processes}"):
                yield ways[0]
                break
    for train in FEWER:
        fewer = replace(plan, phases=((train, plan.tokens),))
        if plan.shape.trained(train) < plan.shape.trained(plan.most) and _total(fewer) <= room:
            size = f"{_gb(_total(fewer))} GB"
            yield f"training.phases with at most `train: {train}`, as in training=tweety_two_stage ({size})"
            break


def _leaner(plan: TrainingPlan, room: float, words: str) -> list[str]:
    """Return what fits of the plan and of its forms with less memory for activations, the least change first."""
    one = replace(plan.batches, micro_batch=1)
    forms = {
        "": plan,
        "cluster.micro_batch=1": replace(plan, batches=one),
        "cluster.activation_checkpointing=true": replace(plan, checkpointing=True),
        "cluster.micro_batch=1 cluster.activation_checkpointing=true": replace(plan, batches=one, checkpointing=True),
    }
    fitting = {f"{words} {more}".strip(): _total(form) for more, form in forms.items()}
    return [f"{settings} ({_gb(size)} GB each)" for settings, size in fitting.items() if size <= room]


def _total(plan: TrainingPlan) -> float:
    return plan.memory().total


def memory_words(needed: Memory) -> str:
    """Return the parts of a memory in GB, in words."""
    parts = {
        "weights": needed.weights,
        "gradients": needed.gradients,
        "optimizer": needed.optimizer,
        "activations": needed.activations,
        "logits": needed.logits,
        "copies": needed.copies,
        "reserved": needed.reserved,
    }
    return ", ".join(f"{name} {_gb(size)}" for name, size in parts.items())


def _gb(size: float) -> str:
    return f"{size / GB:.1f}"
