"""What tunings cost on GPUs: on conversations, on preferences and, in one process, on sentence pairs."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from pipeline import roofline
from pipeline.machine_settings import ONE_GPU
from pipeline.plan import Step
from pipeline.planning_settings import Precision
from pipeline.roofline import Batches, Gpu, Memory, MemoryFacts, Saving, Shape
from pipeline.settings import Config
from pipeline.training_plan import MOMENTS, adapted_shape, cluster_choice, memory_facts, more_shared, source_shape
from stages.tune_instructions.settings import ON_GPUS_ONLY, DpoSettings, SftSettings, TuneInstructionsSettings
from stages.tune_translation.settings import TuneTranslationSettings

ALL = "all"
TUNING_CHECKPOINTS = 3  # two are kept while tuning, and one more is being written
LINE_TOKENS = 120  # prompt and translation of a line
LORA_PRESET = "as in tuning=chocollama_lora"


@dataclass(frozen=True)
class TuningPlan:
    """One tuning of a plan. Its optimizer is AdamW, and its loss holds few logits at a time, trl's too."""

    name: str
    shape: Shape
    most: str
    """What is trained: all, or adapters alone."""
    tokens: float
    row_tokens: int
    """Of a row, on average; a pair of answers is one row."""
    batches: Batches
    """Rows as long as they may be."""
    facts: MemoryFacts
    precision: Precision
    sharding: bool
    """Shall its processes share the model? Adapters are trained with the whole in each."""
    unshardable: str | None
    """Why its model cannot be shared by processes; None where it can."""
    checkpointing: bool
    compared: bool
    """Does the model that it began with, the reference, read each row as well?"""
    section: str | None
    """Of the configuration, where checkpointing and adapters may be chosen; None where they may not."""
    checkpoints: int
    """On the disk at a time, with the one that is being written."""
    one_gpu: bool
    """As of a training."""

    @property
    def sharded(self) -> bool:
        """Whether each GPU has a part of the model."""
        return self.sharding and self.most == ALL and self.batches.processes > 1

    @property
    def flops(self) -> float:
        """Floating-point operations of the whole tuning."""
        each = roofline.flops_per_token(self.shape, self.most, self.row_tokens, self.checkpointing)
        if self.compared:
            each += roofline.reading_flops_per_token(self.shape, self.row_tokens)
        return self.tokens * each

    def seconds(self, gpu: Gpu, utilisation: float) -> float:
        """Return the seconds on such a GPU."""
        usual, gpu = replace(self.batches, sequence_length=self.row_tokens), gpu.reaching(utilisation)
        step = roofline.step_seconds(self.shape, self.most, usual, gpu, self._saving)
        if self.compared:
            step += roofline.reading_seconds(self.shape, usual, gpu)
        return self.tokens / (usual.global_batch * usual.sequence_length) * step

    def memory(self) -> Memory:
        """Return the bytes on the GPU with the longest rows, or where that is more, of what is shared only then.

        That is the model, which is measured whole, and after it the reference.
        """
        needed = roofline.memory(self.shape, self.most, self.batches, self.facts, self._saving)
        whole = roofline.WEIGHT_BYTES * self.shape.parameters + needed.reference + needed.reserved
        return replace(needed, copies=needed.copies + max(0, whole - needed.total))

    def settings(self) -> tuple[str, ...]:
        """Return what decides its memory and may be chosen otherwise, as settings to give."""
        micro_batch = f"cluster.micro_batch={self.batches.micro_batch}"
        if self.section is None:
            return (micro_batch,)
        return (
            f"{self.section}.lora=null" if self.most == ALL else f"{self.section}.lora ({LORA_PRESET})",
            *cluster_choice(self.one_gpu, self.batches.processes),
            f"cluster.sharding={'full' if self.sharding else 'none'}",
            f"cluster.processes={self.batches.processes}",
            micro_batch,
            f"{self.section}.gradient_checkpointing={str(self.checkpointing).lower()}",
        )

    def forms(self) -> Iterator[list["TuningPlan"]]:
        """Yield groups of forms that need less: on as many GPUs, shared by more, adapters alone.

        In each group the smallest change comes first.
        """
        yield self._leaner()
        if self.section and self.most == ALL:
            more = more_shared(self.batches, self.sharded)
            yield [form for batches in more for form in replace(self, sharding=True, batches=batches)._leaner()]
            # The reference is then the model without its adapters.
            facts = replace(self.facts, reference=False)
            yield replace(self, most=roofline.ADAPTERS, facts=facts)._leaner()

    @property
    def _saving(self) -> Saving:
        return Saving(self.sharded, self.checkpointing)

    def _leaner(self) -> list["TuningPlan"]:
        return [
            replace(self, batches=batches, checkpointing=checkpointing)
            for checkpointing in dict.fromkeys((self.checkpointing, self.checkpointing or self.section is not None))
            for batches in self.batches.smaller()
        ]


def plan_instructions(step: Step, config: Config) -> TuningPlan:
    """Return what a step of `tune_instructions` is planned as."""
    tuning, answers = _tuning(step)
    compared, whole = answers > 1, tuning.lora is None
    facts = memory_facts(MOMENTS["adamw"], tuning.precision, config.planning)
    longest = tuning.max_length * answers
    return TuningPlan(
        name=step.name,
        shape=adapted_shape(config),
        most=ALL if whole else roofline.ADAPTERS,
        tokens=tuning_tokens(step, config),
        row_tokens=_row_tokens(step, config),
        batches=Batches(longest, tuning.global_batch, config.cluster.micro_batch, config.cluster.processes),
        facts=replace(facts, reference=compared and whole),
        precision=tuning.precision,
        sharding=config.cluster.sharding == "full",
        unshardable=ON_GPUS_ONLY if config.cluster.device == "cpu" else None,
        checkpointing=tuning.gradient_checkpointing,
        compared=compared,
        section=f"tuning.{tuning.method}",
        checkpoints=TUNING_CHECKPOINTS,
        one_gpu=config.cluster.name == ONE_GPU,
    )


def plan_translation_tuning(step: Step, config: Config) -> TuningPlan:
    """Return what a step of `tune_translation` is planned as; with matches a prompt may be as long again."""
    assert isinstance(step.settings, TuneTranslationSettings)
    tuning, shape = config.parallel_tuning, source_shape(config)
    if step.inputs["model"].stage.name == "build_hydra":
        written = adapted_shape(config).table // shape.hidden
        shape = shape.with_vocabularies(read=written + shape.table // shape.hidden, written=written)
    longest = tuning.longest * (2 if step.settings.matching else 1)
    return TuningPlan(
        name=step.name,
        shape=shape,
        most=ALL,
        tokens=tuning.tokens,
        row_tokens=min(LINE_TOKENS, longest),
        batches=Batches(longest, tuning.step_pairs, config.cluster.micro_batch, processes=1),
        facts=memory_facts(MOMENTS["adamw"], tuning.precision, config.planning),
        precision=tuning.precision,
        sharding=False,
        unshardable=None,
        checkpointing=False,
        compared=False,
        section=None,
        checkpoints=0,
        one_gpu=config.cluster.name == ONE_GPU,
    )


def tuning_tokens(step: Step, config: Config) -> int:
    """Return the tokens of a step of `tune_instructions`; its rows are known once they are ingested."""
    (tuning, answers), data, planning = _tuning(step), step.inputs["data"], config.planning
    expected = planning.preferences if answers > 1 else planning.conversations
    rows = data.metrics()["rows"]["train"] if data.finished else expected
    return round(rows * tuning.epochs * _row_tokens(step, config))


def has_reference(step: Step) -> bool:
    """Tell whether a step of `tune_instructions` compares the model with the one that it began with."""
    return _tuning(step)[1] > 1


def _tuning(step: Step) -> tuple[SftSettings | DpoSettings, int]:
    """Return how a step of `tune_instructions` tunes, and the answers in a row: DPO reads a better and a worse one."""
    assert isinstance(step.settings, TuneInstructionsSettings)
    tuning = step.settings.tuning
    return tuning, 2 if isinstance(tuning, DpoSettings) else 1


def _row_tokens(step: Step, config: Config) -> int:
    tuning, answers = _tuning(step)
    return min(config.planning.conversation_tokens, tuning.max_length) * answers
