"""From Hydra's YAML files and the command line to one checked, immutable Config."""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import hydra
import omegaconf
import yaml
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Glob, Override, Quote, QuotedString
from hydra.errors import ConfigCompositionException, HydraException, MissingConfigException
from omegaconf import OmegaConf
from pydantic import (
    AfterValidator,
    NonNegativeFloat,
    PositiveFloat,
    PositiveInt,
    ValidationError,
    model_validator,
)

from pipeline.errors import UserError
from pipeline.plan import SHARED
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
QUOTE = "'"
RESERVED = (SHARED, "downloads")  # folders that stand where the languages' do


class EvaluationSettings(Section):
    """What is measured, and against what."""

    baselines: tuple[Literal["source_finetuned"], ...]
    """Systems that cost a training of their own; there may be none."""
    scoring: ScoringSettings
    generation: GenerationSettings
    report: ReportSettings


class PackagedSizes(Section):
    """Sizes that suit the text which packages hold for a language; presets for more text do not use them."""

    vocabulary_size: PositiveInt
    training_tokens: PositiveInt


class ClusterSettings(Section):
    """How a stage is started and how fast; changes no result."""

    name: str
    processes: PositiveInt
    """Training processes, one a GPU (on a CPU: gloo processes)."""
    device: Literal["cpu", "cuda"]
    workers: PositiveInt | None
    """Processes for CPU work; null for one a core."""
    micro_batch: PositiveInt
    checkpoint_seconds: NonNegativeFloat
    launch_cpu: tuple[str, ...]
    """Command put before a worker without a GPU, for example `srun` with its options; empty to start it here."""
    launch_gpu: tuple[str, ...]
    flops_per_second: PositiveFloat
    """Floating-point operations that one process really does; for `make plan` until a run here has measured it."""


def _below_home(path: Path) -> Path:
    if path == Path():
        raise ValueError("names no folder of its own; everything would be written into the project's root")
    try:
        return path.expanduser()
    except RuntimeError as error:
        raise ValueError(f"{error}; write the folder out") from None


Folder = Annotated[Path, AfterValidator(_below_home)]
"""A folder on this machine, `~` being the user's home."""


class MachineSettings(Section):
    """This machine's facts; set them in conf/local.yaml."""

    artifacts: Folder
    """From the project's root, where not absolute."""
    downloads: Folder
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

    source_token_ratio: PositiveFloat
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
    def _consistent(self) -> "Config":
        problems = [*self._language_problems(), *self._card_problems()]
        if problems:
            raise ValueError("\n".join(problems))
        return self

    def _language_problems(self) -> Iterator[str]:
        language = self.language
        if language.name in RESERVED:
            yield f"language.name={language.name!r} is taken by a folder beside the languages'; choose another name"
        if language.code == language.source_code:
            yield (
                f"language.source_code={language.source_code!r} is the target language's own code; it is that of the "
                "base model's language"
            )

    def _card_problems(self) -> Iterator[str]:
        if not self.corpus.cards:
            yield "corpus.cards=[]: a corpus needs at least one data card; name files of data_cards/"
        if self.mapping.needs_alignment and not self.bitext.cards and self.alignment.method == "fast_align":
            yield (
                "fast_align needs bitext: name data cards in bitext.cards, or give alignment=table, or choose a "
                "mapping that needs no alignment: mapping=subtoken_mean"
            )

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
    return _choices("language")


def artifact_folder(overrides: Sequence[str]) -> Path:
    """Return this machine's artifact folder, whatever the language."""
    return load_config([f"language={languages()[0]}", *overrides]).artifacts


def split_sweep(overrides: Sequence[str]) -> list[list[str]]:
    """Return the overrides of each job of a Hydra multirun.

    >>> split_sweep(["mapping=mean,random", "training.seed=1"])
    [['mapping=mean', 'training.seed=1'], ['mapping=random', 'training.seed=1']]
    """
    from hydra._internal.core_plugins.basic_sweeper import BasicSweeper

    parsed = _parse([_without_glob(override) for override in _parse(overrides)])
    try:
        jobs = BasicSweeper.split_arguments(parsed, max_batch_size=None)[0]
    except HydraException as error:
        raise UserError(f"cannot sweep over {list(overrides)}: {_first_line(error)}. Name the values: a,b") from None
    if not jobs:
        raise UserError(f"{list(overrides)} names no value at all")
    return jobs


def _without_glob(override: Override) -> str:
    """Return `mapping=glob(*mean)` as `mapping=mean,subtoken_mean`, and any other override as it stands."""
    glob, key = override.value(), override.key_or_group
    if not isinstance(glob, Glob):
        return str(override.input_line)
    if key not in _groups():
        raise UserError(f"{override.input_line}: glob() takes files of a group: {', '.join(_groups())}")
    if not (names := glob.filter(_choices(key))):
        raise UserError(f"{override.input_line} matches none of: {', '.join(_choices(key))}")
    return f"{key}={','.join(names)}"


def load_config(overrides: Sequence[str]) -> Config:
    """Compose and check the configuration.

    Raises UserError with one line a problem, all of them together.
    """
    overrides = [_quoted_home(override) for override in overrides]
    _check_language(overrides)
    local = local_facts(LOCAL, overrides)
    values = _compose(overrides, local)
    try:
        return Config.model_validate(values)
    except ValidationError as error:
        raise UserError("\n".join(sorted(set(_problems(error, local))))) from None


def _check_language(overrides: Sequence[str]) -> None:
    chosen = [override.removeprefix("language=") for override in overrides if override.startswith("language=")]
    if not chosen or not chosen[-1]:
        raise UserError(f"which language? Give LANG=..., one of: {', '.join(languages())}")
    if chosen[-1] not in languages():
        raise UserError(unknown("language", chosen[-1], languages()))


def _quoted_home(override: str) -> str:
    """Quote a value that begins at the user's home: Hydra's grammar has no bare `~`.

    >>> _quoted_home("machine.artifacts=~/mt")
    "machine.artifacts='~/mt'"
    """
    key, _, value = override.partition("=")
    return f"{key}={_hydra_value(value)}" if value == "~" or value.startswith("~/") else override


def _parse(overrides: Sequence[str]) -> list[Override]:
    try:
        return OverridesParser.create().parse_overrides(list(overrides))
    except HydraException as error:
        raise UserError(f"cannot read the overrides {list(overrides)}: {_first_line(error)}") from None


def local_facts(file: Path, given: Sequence[str]) -> dict[str, str]:
    """Return this machine's facts, each by its key as an override to put before the given ones, which win.

    Hydra has no optional file outside of a group, and as overrides they may also choose, say, `cluster: one_gpu`.
    A section of which nothing is left is skipped: the example file has all of `machine` to be commented out.
    """
    if not file.exists():
        return {}
    keys = {override.lstrip("+~").partition("=")[0] for override in given}
    facts = {
        key: f"{key}={_hydra_value(value)}"
        for key, value in _leaves(_read_local(file))
        if key not in keys and not (value is None and _is_section(key))
    }
    for key, override in facts.items():
        try:
            OverridesParser.create().parse_override(override)
        except HydraException:
            raise UserError(f"{_shown(file)}: cannot read '{key}'; a key is words joined by dots") from None
    return facts


def _read_local(file: Path) -> Any:
    try:
        text = file.read_text(encoding="utf-8")
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        if node is None:
            return {}
        if not isinstance(node, yaml.MappingNode):
            raise UserError(f"{_shown(file)} must hold keys and values, as conf/local.example.yaml does")
        return OmegaConf.to_container(OmegaConf.create(text))
    except OSError as error:
        raise UserError(f"{_shown(file)} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{_shown(file)} is not UTF-8 (byte {error.start}); save it as UTF-8") from None
    except yaml.MarkedYAMLError as error:
        place = f" (line {error.problem_mark.line + 1})" if error.problem_mark else ""
        raise UserError(f"{_shown(file)} is not YAML: {error.problem}{place}") from None
    except (yaml.YAMLError, omegaconf.errors.OmegaConfBaseException) as error:
        raise UserError(f"{_shown(file)} is not YAML: {_first_line(error)}") from None


def _shown(file: Path) -> str:
    return str(file.relative_to(ROOT) if file.is_relative_to(ROOT) else file)


def _leaves(value: Mapping[Any, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, item in value.items():
        if isinstance(item, Mapping):
            yield from _leaves(item, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", item


def _hydra_value(value: Any) -> str:
    r"""Return a value as Hydra's grammar spells it: JSON's escapes would be taken for the characters themselves.

    >>> print(_hydra_value(["mé", "it's", 1, None, {"a": True}]))
    ['mé','it\'s',1,null,{a:true}]
    """
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{key}:{_hydra_value(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_hydra_value, value)) + "]"
    if isinstance(value, str):
        return QuotedString(value, Quote.single).with_quotes()
    return "null" if value is None else str(value).lower()


def _compose(overrides: Sequence[str], local: Mapping[str, str]) -> Any:
    """Return the composed values as plain dicts and lists."""
    everything = [*local.values(), *overrides]
    for override in _parse(everything):
        _check_override(override, local)
    try:
        return OmegaConf.to_container(_composed(everything), resolve=True, throw_on_missing=True)
    except MissingConfigException as error:
        raise UserError(_missing_choice(error, local)) from None
    except ConfigCompositionException as error:
        raise UserError(_bad_override(error, everything, local)) from None
    except omegaconf.errors.OmegaConfBaseException as error:
        key = str(error.full_key or "")
        raise UserError(f"{key or 'configuration'}: {_first_line(error)}{_origin(key, local)}") from None


def _check_override(override: Override, local: Mapping[str, str]) -> None:
    """Refuse what Hydra refuses with an exception of another kind, or only in its own terms."""
    line, group = override.input_line, override.key_or_group
    if override.is_sweep_override():
        raise UserError(
            f"{line} names several values; give one, or put -m before it for a multirun of adapt, plan or fetch"
        )
    if group not in _groups() or override.is_delete():
        return
    if override.package is not None:
        raise UserError(f"{line}: a group has one place only; leave @{override.package} out")
    if override.is_add() or override.is_force_add():
        raise UserError(f"{group} has a choice already: write {str(line).lstrip('+')} without +")
    name = override.get_value_element_as_str().strip("'\"")
    if name not in _choices(group):
        raise UserError(unknown(group, name, _choices(group)) + _origin(group, local))


def _composed(overrides: Sequence[str]) -> omegaconf.DictConfig:
    with hydra.initialize_config_dir(str(CONF), version_base="1.3"):
        return hydra.compose("adapt", overrides=list(overrides))


def _origin(key: str, local: Mapping[str, str]) -> str:
    """Return where a value comes from if that is conf/local.yaml, which the command line does not show."""
    # A key without a dot chooses a file of a group: the values in that file are not the local file's.
    below = any("." in fact and key.startswith(f"{fact}.") for fact in local)
    return f" (set in {_shown(LOCAL)})" if key in local or below else ""


def _missing_choice(error: MissingConfigException, local: Mapping[str, str]) -> str:
    group, _, name = (error.missing_cfg_file or "").rpartition("/")
    return unknown(group or "config", name, error.options or []) + _origin(group, local)


def _bad_override(error: ConfigCompositionException, overrides: Sequence[str], local: Mapping[str, str]) -> str:
    text = f"{error}\n{error.__cause__}"
    if taken := re.search(r"An item is already at '([\w.]+)'", text):
        return f"{taken.group(1)} has a value already: write it without +{_origin(taken.group(1), local)}"
    key = re.search(r"full_key: (\S+)", text) or re.search(r"Could not (?:override|delete)[\w ]*'\+?([\w.]+)'", text)
    if key is None:
        return f"configuration: {_first_line(error)}"
    parent, _, name = key.group(1).rpartition(".")
    below = next((fact for fact in local if fact.startswith(f"{key.group(1)}.")), key.group(1))
    origin = _origin(below, local)
    siblings = _siblings(parent, overrides) if parent else _top_keys()
    if siblings is None:
        return unknown("key", key.group(1), _top_keys()) + origin
    return unknown(f"key in {parent}" if parent else "key", name, siblings) + origin


def _siblings(parent: str, overrides: Sequence[str]) -> list[str] | None:
    """Return the keys of a section under the groups' chosen files; None where it is no section."""
    choices = [override for override in overrides if override.partition("=")[0] in _groups()]
    try:
        section = OmegaConf.select(_composed(choices), parent)
    except (HydraException, omegaconf.errors.OmegaConfBaseException):
        return None  # a faulty choice beside the faulty key
    return [str(key) for key in section] if isinstance(section, omegaconf.DictConfig) else None


def _groups() -> list[str]:
    return sorted(path.name for path in CONF.iterdir() if path.is_dir())


def _choices(group: str) -> list[str]:
    return sorted(path.stem for path in (CONF / group).glob("*.yaml"))


def _top_keys() -> list[str]:
    return sorted({*_groups(), *Config.model_fields})


def _first_line(error: BaseException) -> str:
    return str(error).strip().splitlines()[0]


def _problems(error: ValidationError, local: Mapping[str, str]) -> Iterator[str]:
    for problem in error.errors():
        place, kind = problem["loc"], problem["type"]
        path, _ = _walk(place)
        origin = _origin(path, local)
        if kind == "extra_forbidden":
            parent, keys = _walk(place[:-1])
            yield unknown(f"key in {parent}" if parent else "key", str(place[-1]), keys) + origin
        elif kind == "missing":
            yield f"{path} has no value; set it in its file under conf/ or on the command line"
        elif kind == "union_tag_invalid":
            name, tag, tags = (problem["ctx"][part] for part in ("discriminator", "tag", "expected_tags"))
            key = f"{path}.{name.strip(QUOTE)}"
            yield unknown(key, tag, [choice.strip(QUOTE) for choice in tags.split(", ")]) + _origin(key, local)
        else:
            message = problem["msg"].removeprefix("Value error, ")
            message = f"{message[:1].lower()}{message[1:]}"
            # A whole section is no value that the user gave.
            given = "" if isinstance(problem["input"], Mapping) else f"={problem['input']!r}"
            yield f"{path}{given}{origin}: {message}" if path else message


def _is_section(key: str) -> bool:
    return "." not in key or bool(_walk(key.split("."))[1])


def _walk(place: Sequence[int | str]) -> tuple[str, list[str]]:
    """Return a place in the configuration as users write it, and the keys that the section there allows.

    Pydantic names in the place also which member of a union it took, which is no key.

    >>> _walk(("alignment", "table", "path"))
    ('alignment.path', [])
    >>> _walk(("training", "phases", 0))
    ('training.phases.0', ['embedding_learning_rate', 'learning_rate', 'name', 'share', 'train'])
    """
    shown: list[str] = []
    here: list[Any] = [Config]
    for part in map(str, place):
        taken = [member for member in here if part in _tags(member)]
        if len(here) > 1 and taken:
            here = taken
        else:
            shown.append(part)
            here = [inner for outer in here for inner in _inner(outer, part)]
    return ".".join(shown), sorted({key for member in here if _section(member) for key in member.model_fields})


def _section(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, Section)


def _tags(annotation: Any) -> set[str]:
    """Return the names by which a union's member is chosen, for example {"table"}."""
    fields = annotation.model_fields.values() if _section(annotation) else ()
    choices = [get_args(field.annotation) for field in fields if get_origin(field.annotation) is Literal]
    return {choice[0] for choice in choices if len(choice) == 1}


def _inner(annotation: Any, part: str) -> list[Any]:
    """Return what may stand under one key of a section or dict, or at one place of a tuple."""
    if _section(annotation):
        field = annotation.model_fields.get(part)
        return _members(field.annotation) if field else []
    arguments = get_args(annotation)
    if get_origin(annotation) is dict:
        return _members(arguments[1])
    if get_origin(annotation) is tuple and part.isdecimal():
        same = arguments[-1] is Ellipsis
        return [member for item in (arguments[:1] if same else arguments[int(part) :][:1]) for member in _members(item)]
    return []


def _members(annotation: Any) -> list[Any]:
    if get_origin(annotation) is Annotated:
        return _members(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        return [member for argument in get_args(annotation) for member in _members(argument)]
    return [annotation]


def as_yaml(config: Config) -> str:
    """Return the checked configuration as YAML, for `make config`."""
    values: Mapping[str, Any] = config.model_dump(mode="json")
    return OmegaConf.to_yaml(OmegaConf.create(dict(values)))
