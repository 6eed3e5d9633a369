"""What continued pretraining costs on GPUs: the configuration's facts put into the roofline."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import ClassVar

from pipeline import roofline
from pipeline.machine_settings import ONE_GPU
from pipeline.plan import Step
from pipeline.planning_settings import GpuFacts, PlanningSettings, Precision
from pipeline.roofline import Batches, Gpu, Memory, MemoryFacts, Moments, Saving, Shape
from pipeline.settings import Config
from pipeline.text_cost import packed_tokens

GB = 1e9
BYTES = {"float32": 4, "bfloat16": 2}
MOMENTS = {"adamw": Moments(8, 8), "adamw_8bit": Moments(2.04, 2.04), "muon": Moments(4, 8)}
"""By optimizer: two moments in float32; in 8 bits, with a float32 scale for 256 of them; of the body one."""
PROCESSES = (2, 4, 8, 16, 32, 64)
FEWER = ("2x2", "embeddings")
"""What phases may train where all does not fit."""
HINTS = {"2x2": ", as in training=tweety_two_stage"}


def more_shared(batches: Batches, sharded: bool) -> list[Batches]:
    """Return the batches of a model that as many processes share, or more where they do so now, and so on."""
    numbers = [number for number in PROCESSES if number >= batches.processes + sharded]
    return [replace(batches, processes=number) for number in numbers if batches.global_batch % number == 0]


@dataclass(frozen=True)
class TrainingPlan:
    """One training of a plan."""

    section: ClassVar[str] = "training"
    """Of the configuration."""

    name: str
    shape: Shape
    phases: tuple[tuple[str, float], ...]
    """What each phase trains, and its tokens."""
    batches: Batches
    facts: MemoryFacts
    precision: Precision
    sharding: bool
    """Shall its processes share the model? One alone shares it with nobody."""
    checkpointing: bool
    unshardable: str | None
    """Why its model cannot be shared by processes; None where it can."""
    checkpoints: int
    """On the disk at a time, with the one that is being written."""
    one_gpu: bool
    """Is a cluster chosen that is one GPU, so that more processes want another?"""

    @property
    def sharded(self) -> bool:
        """Whether each GPU has a part of the model."""
        return self.sharding and self.batches.processes > 1

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
            * roofline.step_seconds(self.shape, train, self.batches, gpu.reaching(utilisation), self._saving)
            for train, tokens in self.phases
        )

    def memory(self) -> Memory:
        """Return the bytes on each GPU in the phase that needs most."""
        return self._memory(self.most)

    def settings(self) -> tuple[str, ...]:
        """Return what decides its memory and may be chosen otherwise, as settings to give."""
        return (
            *cluster_choice(self.one_gpu, self.batches.processes),
            f"cluster.sharding={'full' if self.sharding else 'none'}",
            f"cluster.processes={self.batches.processes}",
            f"cluster.micro_batch={self.batches.micro_batch}",
            f"cluster.activation_checkpointing={str(self.checkpointing).lower()}",
            f"training.phases with at most `train: {self._widest}`{HINTS.get(self._widest, '')}",
        )

    def forms(self) -> Iterator[list["TrainingPlan"]]:
        """Yield groups of forms that need less: on as many GPUs, shared by more, with fewer trained weights.

        In each group the smallest change comes first.
        """
        yield self._leaner()
        more = [] if self.unshardable else more_shared(self.batches, self.sharded)
        yield [form for batches in more for form in replace(self, sharding=True, batches=batches)._leaner()]
        fewer = [replace(self, phases=((train, self.tokens),)) for train in FEWER]
        yield [form for form in fewer if self.shape.trained(form.most) < self.shape.trained(self.most)]

    @property
    def _saving(self) -> Saving:
        # Of a model that processes share, each holds its part in float32.
        frozen_bytes = BYTES["float32" if self.sharded else self.precision]
        return Saving(self.sharded, self.checkpointing, frozen_bytes, bucketed=True)

    @property
    def _widest(self) -> str:
        """What the phase trains that trains most weights, whatever memory that takes."""
        return max((train for train, _ in self.phases), key=self.shape.trained)

    def _leaner(self) -> list["TrainingPlan"]:
        """Return it with fewer sequences at a time, then with checkpointing as well."""
        return [
            replace(self, batches=batches, checkpointing=checkpointing)
            for checkpointing in dict.fromkeys((self.checkpointing, True))
            for batches in self.batches.smaller()
        ]

    def _memory(self, train: str) -> Memory:
        return roofline.memory(self.shape, train, self.batches, self.facts, self._saving)


def cluster_choice(one_gpu: bool, processes: int) -> tuple[str, ...]:
    """Return, as a setting, which cluster so many processes want where the chosen one is one GPU; else nothing."""
    return (f"cluster={'multi_gpu' if processes > 1 else ONE_GPU}",) if one_gpu else ()


def plan_training(step: Step, config: Config) -> TrainingPlan:
    """Return what a step of `continue_pretraining` is planned as."""
    training, planning, cluster = config.training, config.planning, config.cluster
    source = "match" in step.inputs["tokens"].inputs
    tokens = packed_tokens(step.inputs["tokens"], config)
    return TrainingPlan(
        name=step.name,
        shape=source_shape(config) if source else adapted_shape(config),
        phases=tuple((_trained(phase.train, config), phase.share * tokens) for phase in training.phases),
        batches=Batches(
            training.sequence_length, training.global_batch, cluster.micro_batch, processes=cluster.processes
        ),
        facts=memory_facts(MOMENTS[training.optimizer.method], training.precision, planning),
        precision=training.precision,
        sharding=cluster.sharding == "full",
        checkpointing=cluster.activation_checkpointing,
        unshardable=training.unshardable,
        checkpoints=cluster.kept_checkpoints + 1,
        one_gpu=cluster.name == ONE_GPU,
    )


def source_shape(config: Config) -> Shape:
    """Return the shape of the base model."""
    base = config.base_model
    tied = base.name in config.planning.tied_models
    return roofline.make_shape(base.parameters, base.vocabulary_size, base.hidden_size, base.layers, tied)


def adapted_shape(config: Config) -> Shape:
    """Return the shape of the adapted model: with the rows of the new tokenizer, where there is one."""
    shape = source_shape(config)
    if config.mapping.keeps_tokenizer:
        return shape
    return shape.with_vocabulary(config.tokenizer.vocabulary_size)


def memory_facts(moments: Moments, precision: Precision, planning: PlanningSettings) -> MemoryFacts:
    """Return what planning takes for granted of a training's memory."""
    return MemoryFacts(
        moments=moments,
        compute_bytes=BYTES[precision],
        activation_bytes=planning.activation_bytes[precision],
        frozen_activation_bytes=planning.frozen_activation_bytes[precision],
        chunk_bytes=planning.logits_chunk_bytes,
        reserved_bytes=planning.reserved_gb * GB,
    )


def _trained(train: str, config: Config) -> str:
    """Return what a phase trains, in the roofline's words."""
    adapter = config.training.adapter
    if adapter.method == "none" or train == "embeddings":
        return train
    return roofline.LORA if adapter.embeddings else roofline.ADAPTERS


def make_gpu(facts: GpuFacts, precision: Precision) -> Gpu:
    """Return what a kind of GPU can do in a precision."""
    return Gpu(facts.flops_per_second[precision], facts.bytes_per_second, facts.memory_gb * GB)


def planned_rate(step: Step, config: Config) -> float | None:
    """Return the tokens a second on the cluster's GPUs, None where it has none whose facts are known."""
    cluster, planning = config.cluster, config.planning
    if cluster.device == "cpu" or cluster.gpu is None:
        return None
    plan = plan_training(step, config)
    return plan.tokens / plan.seconds(make_gpu(planning.gpus[cluster.gpu], plan.precision), planning.utilisation)
