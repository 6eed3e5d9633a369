"""The checked configuration: what each key means, and what it may be."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, NonNegativeInt, PositiveInt, field_validator, model_validator

from pipeline.cards import CardNames
from pipeline.consistency import contradictions
from pipeline.evaluated_text import out_of_training
from pipeline.hub_cards import HubSettings
from pipeline.machine_settings import ClusterSettings, MachineSettings, RunSettings
from pipeline.planning_settings import PlanningSettings
from pipeline.provenance import ROOT
from pipeline.section import Section
from pipeline.stage import Execution
from stages.align_tokens.settings import AlignmentSettings
from stages.answer_questions.settings import QuestionAnsweringSettings
from stages.back_translate.settings import BackTranslationSettings
from stages.build_hydra.settings import HeadsSettings, HydraHeads
from stages.compare_initializations.settings import ComparisonSettings
from stages.compare_training.settings import CurvesSettings
from stages.evaluate_model.settings import GenerationSettings, ScoringSettings
from stages.evaluate_translation.settings import TranslationScoringSettings
from stages.fetch_base_model.settings import BaseModelSettings
from stages.ingest_bitext.settings import BitextSettings
from stages.ingest_corpus.settings import CorpusSettings, LanguageSettings
from stages.ingest_dictionary.settings import CardDictionary, DictionarySettings
from stages.ingest_instructions.settings import InstructionsSettings
from stages.map_embeddings.settings import CalibrationSettings, DistillationSettings, MappingSettings
from stages.merge_models.settings import MergingSettings
from stages.mix_tokens.settings import ReplaySettings
from stages.probe_initialization.settings import ProbeSettings
from stages.shared.decoding.settings import DecodingSettings
from stages.shared.other_domain import OtherDomain
from stages.shared.training.settings import TrainingSettings
from stages.shared.translation.settings import RepairSettings, TranslationSettings
from stages.train_tokenizer.settings import TokenizerSettings
from stages.train_vectors.settings import VectorsSettings
from stages.tune_instructions.settings import TuningSettings
from stages.tune_translation.settings import ParallelTuningSettings
from stages.write_report.settings import ReportSettings


class EvaluationSettings(Section):
    """What is measured, and against what."""

    baselines: tuple[Literal["source_finetuned"], ...]
    """Systems that cost a training of their own; there may be none."""
    scoring: ScoringSettings
    generation: GenerationSettings
    report: ReportSettings


class LeaderboardSettings(Section):
    """How `make leaderboard` compares mappings."""

    methods: Annotated[tuple[str, ...], Field(min_length=1)]
    """Files of conf/mapping/."""
    baselines: tuple[Literal["source_finetuned"], ...]
    """The source model as it came is a row wherever its fine-tuned form is."""
    seeds: Annotated[tuple[NonNegativeInt, ...], Field(min_length=1)]
    """Orders of the training text: the first for every method, all of them for the best ones."""
    contenders: NonNegativeInt
    """How many of the best methods are trained with every seed; the default mapping is always among them."""
    probe: ProbeSettings
    other_domain: OtherDomain | None
    """Held-out text of another domain; left out, with a note, where its file is not there."""
    comparison: ComparisonSettings

    @model_validator(mode="before")
    @classmethod
    def _where_present(cls, values: Any) -> Any:
        other = values.get("other_domain") if isinstance(values, Mapping) else None
        if not isinstance(other, Mapping) or (other.get("path") and Path(other["path"]).is_file()):
            return values
        return {**values, "other_domain": None}


class PivotSettings(Section):
    """Languages beside the base model's own whose bitext the mapping may use too."""

    cards: dict[str, CardNames]
    """Parallel data cards by the language's code; all else is as for the bitext."""

    @field_validator("cards", mode="before")
    @classmethod
    def _named(cls, cards: Any) -> Any:
        if cards is None:
            raise ValueError("the language's file names no pivots in its cards; add them there, or choose pivots=none")
        return cards


class PackagedSizes(Section):
    """Sizes that suit the text which packages hold for a language; presets for more text do not use them."""

    vocabulary_size: PositiveInt
    training_tokens: PositiveInt


class CardLists(Section):
    """The data cards that a language has from one kind of place."""

    corpus: CardNames
    bitext: CardNames
    dictionaries: CardNames = ()
    pivots: dict[str, CardNames] = Field(default_factory=dict)
    """Bitext with other languages than the base model's own, by their code; most languages have none."""


class Config(Section):
    """The whole configuration."""

    language: LanguageSettings
    cards: dict[str, CardLists]
    packaged: PackagedSizes
    hub: HubSettings
    base_model: BaseModelSettings
    corpus: CorpusSettings
    bitext: BitextSettings
    pivots: PivotSettings
    replay: ReplaySettings
    dictionary: DictionarySettings
    tokenizer: TokenizerSettings
    alignment: AlignmentSettings
    vectors: VectorsSettings
    mapping: MappingSettings
    calibration: CalibrationSettings
    distillation: DistillationSettings
    training: TrainingSettings
    merging: MergingSettings
    instructions: InstructionsSettings
    tuning: TuningSettings
    heads: HeadsSettings
    decoding: DecodingSettings
    translation: TranslationSettings
    parallel_tuning: ParallelTuningSettings
    back_translation: BackTranslationSettings
    repair: RepairSettings
    translation_scoring: TranslationScoringSettings
    question_answering: QuestionAnsweringSettings
    evaluation: EvaluationSettings
    leaderboard: LeaderboardSettings
    curves: CurvesSettings
    cluster: ClusterSettings
    machine: MachineSettings
    run: RunSettings
    planning: PlanningSettings

    @model_validator(mode="after")
    def _consistent(self) -> "Config":
        problems = list(contradictions(self))
        if problems:
            raise ValueError("\n".join(problems))
        return self

    @property
    def translates(self) -> bool:
        """Whether a Hydra model is built, and its translations measured."""
        return isinstance(self.heads, HydraHeads)

    @property
    def used_cards(self) -> tuple[str, ...]:
        """Names of the data cards that this config's corpus, mapping, tuning and translation read, each once."""
        bitext = self.bitext.cards if self.mapping.needs_bitext or self.translates else ()
        dictionary = self.dictionary.cards if isinstance(self.dictionary, CardDictionary) else ()
        looked_up = dictionary if {"dictionary", "table"} & set(self.mapping.needs) else ()
        tuned = self.instructions.cards if self.tuning.sft else ()
        preferred = self.instructions.preference_cards if self.tuning.dpo else ()
        return tuple(dict.fromkeys((*self.corpus.cards, *bitext, *looked_up, *tuned, *preferred)))

    def sections(self) -> dict[str, Any]:
        """Return what a stage may see by name: the root sections, the parts of `evaluation`, and `decontamination`.

        The last is what pairs and conversations are held against, as the corpus is: the text that this config evaluates
        on is among its benchmarks.
        """
        parts = {name: getattr(self, name) for name in type(self).model_fields}
        kept_out = out_of_training(self, "target")
        parts |= {"corpus": self.corpus.model_copy(update={"decontamination": kept_out}), "decontamination": kept_out}
        return parts | {name: getattr(self.evaluation, name) for name in EvaluationSettings.model_fields}

    def replayed_corpus(self) -> CorpusSettings:
        """Return the corpus' settings for the text that is replayed: its cards, none of which has a weight.

        Kept out of it is the source side of the text that this config evaluates on.
        """
        mixture = self.corpus.mixture.model_copy(update={"weights": {}, "cap_bytes": None})
        kept_out = out_of_training(self, "source")
        return self.corpus.model_copy(
            update={"cards": self.replay.cards, "mixture": mixture, "decontamination": kept_out}
        )

    def execution(self) -> Execution:
        """Return what stages are told about the machine."""
        machine, cluster = self.machine, self.cluster
        return Execution(
            workers=cluster.workers or len(os.sched_getaffinity(0)),
            array=cluster.array,
            device=cluster.device,
            micro_batch=cluster.micro_batch,
            checkpoint_seconds=cluster.checkpoint_seconds,
            checkpoint_pause_factor=cluster.checkpoint_pause_factor,
            sharding=cluster.sharding,
            attention_kernel=cluster.attention_kernel,
            activation_checkpointing=cluster.activation_checkpointing,
            compile=cluster.compile,
            kept_checkpoints=cluster.kept_checkpoints,
            peak_flops_per_second=self._peak_flops_per_second(),
            downloads=(ROOT / machine.downloads).resolve(),
            tracking=(self.artifacts / self.language.name / "wandb") if machine.tracking else None,
            tracking_project=machine.wandb_project,
            tracking_entity=machine.wandb_entity,
            tracking_id="",
            tracking_name="",
            tracking_group=self.run.group,
            tracking_labels={},
            logs=None,
            debian_mirror=machine.debian_mirror,
        )

    def _peak_flops_per_second(self) -> float | None:
        """Return what a training process' device could do at most; None where nothing tells."""
        cluster = self.cluster
        if cluster.peak_flops_per_second is not None or cluster.device == "cpu" or cluster.gpu is None:
            return cluster.peak_flops_per_second
        return self.planning.gpus[cluster.gpu].flops_per_second[self.training.precision]

    def launcher(self, gpu: bool) -> tuple[str, ...]:
        """Return the command to put before a worker."""
        return self.cluster.launch_gpu if gpu else self.cluster.launch_cpu

    @property
    def artifacts(self) -> Path:
        """The artifact folder, absolute; a relative one is taken from the project's root."""
        return (ROOT / self.machine.artifacts).resolve()
