"""From Hydra's YAML files and the command line to one checked, immutable Config."""

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import hydra
import omegaconf
import yaml
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import ConfigCompositionException, HydraException, MissingConfigException
from omegaconf import OmegaConf
from pydantic import BaseModel, ValidationError, model_validator

from pipeline.errors import UserError
from pipeline.provenance import ROOT
from pipeline.registry import unknown
from pipeline.section import Section
from pipeline.stage import Execution
from stages.align_tokens.settings import AlignmentSettings
from stages.continue_pretraining.settings import TrainingSettings
from stages.evaluate_model.settings import GenerationSettings, ScoringSettings
from stages.fetch_base_model.settings import BaseModelSettings
from stages.ingest_bitext.settings import BitextSettings
from stages.ingest_corpus.settings import CorpusSettings, LanguageSettings
from stages.map_embeddings.settings import MappingSettings
from stages.train_tokenizer.settings import TokenizerSettings
from stages.write_report.settings import ReportSettings

CONF = ROOT / "conf"
LOCAL = CONF / "local.yaml"


class EvaluationSettings(Section):
    """What is measured, and against what."""

    baselines: tuple[str, ...]
    """Systems that cost a training of their own: `source_finetuned`, or none."""
    scoring: ScoringSettings
    generation: GenerationSettings
    report: ReportSettings


class PackagedSizes(Section):
    """Sizes that suit the text which packages hold for a language; presets for more text do not use them."""

    vocabulary_size: int
    training_tokens: int


class ClusterSettings(Section):
    """How a stage is started and how fast; changes no result."""

    name: str
    processes: int
    """Training processes, one a GPU (on a CPU: gloo processes)."""
    device: str
    """`cpu` or `cuda`."""
    workers: int | None
    """Processes for CPU work; null for one a core."""
    micro_batch: int
    checkpoint_seconds: float
    launch_cpu: tuple[str, ...]
    """Command put before a worker without a GPU, for example `srun` with its options; empty to start it here."""
    launch_gpu: tuple[str, ...]
    flops_per_second: float
    """Floating-point operations that one process really does; for `make plan` until a run here has measured it."""


class MachineSettings(Section):
    """This machine's facts; set them in conf/local.yaml."""

    artifacts: Path
    downloads: Path
    debian_mirror: str | None
    account: str | None
    partition: str | None
    tracking: bool
    wandb_project: str
    wandb_entity: str | None


class RunSettings(Section):
    """How a plan is run."""

    strict: bool
    """Stop where a stage's code changed since its artifact was made."""


class PlanningSettings(Section):
    """Facts for estimates, never hashed."""

    source_token_ratio: float
    """Tokens that the source tokenizer needs for one token of the new one, roughly."""


class Config(Section):
    """The whole configuration."""

    language: LanguageSettings
    cards: dict[str, dict[str, tuple[str, ...]]]
    packaged: PackagedSizes
    base_model: BaseModelSettings
    corpus: CorpusSettings
    bitext: BitextSettings
    tokenizer: TokenizerSettings
    alignment: AlignmentSettings
    mapping: MappingSettings
    training: TrainingSettings
    evaluation: EvaluationSettings
    cluster: ClusterSettings
    machine: MachineSettings
    run: RunSettings
    planning: PlanningSettings

    @model_validator(mode="after")
    def _alignable(self) -> "Config":
        if self.mapping.needs_alignment and not self.bitext.cards and self.alignment.method == "fast_align":
            raise ValueError(
                "fast_align needs bitext: name data cards in bitext.cards, or give alignment=table, or choose a "
                "mapping that needs no alignment: mapping=subtoken_mean"
            )
        return self

    def sections(self) -> dict[str, Any]:
        """Return what a stage may see by name: the root sections and the parts of `evaluation`."""
        parts = {name: getattr(self, name) for name in type(self).model_fields}
        return parts | {name: getattr(self.evaluation, name) for name in EvaluationSettings.model_fields}

    def execution(self) -> Execution:
        """Return what stages are told about the machine."""
        machine, cluster = self.machine, self.cluster
        return Execution(
            workers=cluster.workers or len(os.sched_getaffinity(0)),
            device=cluster.device,
            micro_batch=cluster.micro_batch,
            checkpoint_seconds=cluster.checkpoint_seconds,
            downloads=(ROOT / machine.downloads).resolve(),
            tracking=(self.artifacts / self.language.name / "wandb") if machine.tracking else None,
            tracking_project=machine.wandb_project,
            tracking_entity=machine.wandb_entity,
            run_name="",
            debian_mirror=machine.debian_mirror,
        )

    def launcher(self, gpu: bool) -> tuple[str, ...]:
        """Return the command to put before a worker, with this machine's Slurm account and partition."""
        command = self.cluster.launch_gpu if gpu else self.cluster.launch_cpu
        facts = {"--account": self.machine.account, "--partition": self.machine.partition}
        return (*command, *(f"{option}={value}" for option, value in facts.items() if command and value))

    @property
    def artifacts(self) -> Path:
        """The artifact folder, absolute; a relative one is taken from the project's root."""
        return (ROOT / self.machine.artifacts).resolve()


def languages() -> list[str]:
    """Return the names that LANG may have."""
    return sorted(path.stem for path in (CONF / "language").glob("*.yaml"))


def artifact_folder(overrides: Sequence[str]) -> Path:
    """Return this machine's artifact folder, whatever the language."""
    return load_config([f"language={languages()[0]}", *overrides]).artifacts


def split_sweep(overrides: Sequence[str]) -> list[list[str]]:
    """Return the overrides of each job of a Hydra multirun.

    >>> split_sweep(["mapping=mean,random", "training.seed=1"])
    [['mapping=mean', 'training.seed=1'], ['mapping=random', 'training.seed=1']]
    """
    from hydra._internal.core_plugins.basic_sweeper import BasicSweeper

    return BasicSweeper.split_arguments(_parse(overrides), max_batch_size=None)[0]


def load_config(overrides: Sequence[str]) -> Config:
    """Compose and check the configuration.

    Raises UserError with one line a problem, all of them together.
    """
    _check_language(overrides)
    values = OmegaConf.to_container(_compose(overrides), resolve=True, throw_on_missing=True)
    try:
        return Config.model_validate(values)
    except ValidationError as error:
        raise UserError("\n".join(sorted(set(_problems(error))))) from None


def _check_language(overrides: Sequence[str]) -> None:
    chosen = [override.removeprefix("language=") for override in overrides if override.startswith("language=")]
    if not chosen or not chosen[-1]:
        raise UserError(f"which language? Give LANG=..., one of: {', '.join(languages())}")
    if chosen[-1] not in languages():
        raise UserError(unknown("language", chosen[-1], languages()))


def _parse(overrides: Sequence[str]) -> list:
    try:
        return OverridesParser.create().parse_overrides(list(overrides))
    except HydraException as error:
        raise UserError(f"cannot read the overrides {list(overrides)}: {_first_line(error)}") from None


def local_overrides(file: Path, given: Sequence[str]) -> list[str]:
    """Return this machine's facts as overrides to put before the given ones, which win.

    Hydra has no optional file outside of a group, and as overrides they may also choose, say, `cluster: one_gpu`.
    """
    if not file.exists():
        return []
    try:
        facts = OmegaConf.to_container(OmegaConf.load(file))
    except (yaml.YAMLError, OSError) as error:
        raise UserError(f"{file} is not YAML: {_first_line(error)}") from None
    keys = {override.lstrip("+~").partition("=")[0] for override in given}
    return [f"{key}={json.dumps(value)}" for key, value in _leaves(facts) if key not in keys]


def _leaves(value: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, item in (value or {}).items():
        if isinstance(item, Mapping):
            yield from _leaves(item, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", item


def _compose(overrides: Sequence[str]) -> omegaconf.DictConfig:
    overrides = [*local_overrides(LOCAL, overrides), *overrides]
    for override in _parse(overrides):
        if override.is_sweep_override():
            raise UserError(f"{override.input_line} names several values; put -m before it for a multirun")
    try:
        with hydra.initialize_config_dir(str(CONF), version_base="1.3"):
            config = hydra.compose("adapt", overrides=list(overrides))
        OmegaConf.resolve(config)
    except MissingConfigException as error:
        raise UserError(_missing_choice(error)) from None
    except ConfigCompositionException as error:
        raise UserError(_bad_override(error, overrides)) from None
    except omegaconf.errors.OmegaConfBaseException as error:
        raise UserError(f"configuration: {_first_line(error)}") from None
    return config


def _missing_choice(error: MissingConfigException) -> str:
    group, _, name = (error.missing_cfg_file or "").rpartition("/")
    return unknown(group or "config", name, error.options or [])


def _bad_override(error: ConfigCompositionException, overrides: Sequence[str]) -> str:
    text = f"{error}\n{error.__cause__}"
    key = re.search(r"full_key: (\S+)", text) or re.search(
        r"Could not (?:override|append|delete).*?'?\+?([\w.]+)'?", text
    )
    if key is None:
        return f"configuration: {_first_line(error)}"
    base = [override for override in overrides if "=" in override and "." not in override.split("=")[0]]
    parent, _, name = key.group(1).rpartition(".")
    section = OmegaConf.select(_compose(base), parent) if parent else None
    if parent and not isinstance(section, omegaconf.DictConfig):
        return unknown("key", key.group(1), _groups())
    siblings = list(section) if section is not None else _groups()
    return unknown(f"key in {parent}" if parent else "key", name, [str(sibling) for sibling in siblings])


def _groups() -> list[str]:
    return sorted({path.name for path in CONF.iterdir() if path.is_dir()} | {"machine", "run"})


def _first_line(error: BaseException) -> str:
    return str(error).strip().splitlines()[0]


def _problems(error: ValidationError) -> Iterator[str]:
    for problem in error.errors():
        place = [str(part) for part in problem["loc"]]
        path = ".".join(place)
        if problem["type"] == "extra_forbidden":
            yield unknown(f"key in {'.'.join(place[:-1])}" if place[:-1] else "key", place[-1], _fields(place[:-1]))
        elif problem["type"] == "missing":
            yield f"{path} has no value; set it in its file under conf/ or on the command line"
        else:
            message = problem["msg"].removeprefix("Value error, ")
            message = f"{message[:1].lower()}{message[1:]}"
            yield f"{path}={problem['input']!r}: {message}" if path else message


def _fields(place: Sequence[str]) -> list[str]:
    """Return the keys that the section at `place` allows, empty where it is not a plain section."""
    model: Any = Config
    for part in place:
        field = model.model_fields.get(part) if isinstance(model, type) and issubclass(model, BaseModel) else None
        model = field.annotation if field else None
    return list(model.model_fields) if isinstance(model, type) and issubclass(model, BaseModel) else []


def as_yaml(config: Config) -> str:
    """Return the checked configuration as YAML, for `make config`."""
    values: Mapping[str, Any] = config.model_dump(mode="json")
    return OmegaConf.to_yaml(OmegaConf.create(dict(values)))
