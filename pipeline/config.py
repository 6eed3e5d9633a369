"""From Hydra's YAML files and the command line to one checked, immutable Config."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import omegaconf
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Glob, Override
from hydra.errors import ConfigCompositionException, HydraException, MissingConfigException
from omegaconf import OmegaConf
from pydantic import ValidationError

from pipeline import composition, local_config
from pipeline.config_keys import keys_at
from pipeline.errors import UserError
from pipeline.local_config import hydra_value, local_facts, origin_of
from pipeline.provenance import ROOT
from pipeline.registry import unknown
from pipeline.settings import Config

CONF = ROOT / "conf"
QUOTE = "'"


def languages() -> list[str]:
    """Return the names that LANG may have."""
    return choices("language")


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
    if not (names := glob.filter(choices(key))):
        raise UserError(f"{override.input_line} matches none of: {', '.join(choices(key))}")
    return f"{key}={','.join(names)}"


def load_config(overrides: Sequence[str]) -> Config:
    """Compose and check the configuration.

    Raises UserError with one line a problem, all of them together.
    """
    overrides = [_quoted_home(override) for override in overrides]
    _check_language(overrides)
    local = local_facts(local_config.LOCAL, overrides)
    values = _compose(overrides, local)
    try:
        return Config.model_validate(values)
    except ValidationError as error:
        raise UserError("\n".join(sorted(set(_problems(error, local))))) from None


def chosen_preset(group: str, overrides: Sequence[str]) -> str:
    """Return which file of a group the configuration takes, for example `calibrated` of conf/mapping/."""
    overrides = [_quoted_home(override) for override in overrides]
    everything = [*local_facts(local_config.LOCAL, overrides).values(), *overrides]
    return str(composition.chosen_files(CONF, everything)[group])


def absent_domain(overrides: Sequence[str]) -> str:
    """Return, for a note, why a configuration has no text of another domain: which file is not there."""
    overrides = [_quoted_home(override) for override in overrides]
    given = _compose(overrides, local_facts(local_config.LOCAL, overrides))["leaderboard"]["other_domain"]
    path = given and given["path"]
    said = f"there is no {path}" if path else "names no file"
    return f"leaderboard.other_domain.path: {said} (docs/sources.md, Test sets)"


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
    return f"{key}={hydra_value(value)}" if value == "~" or value.startswith("~/") else override


def _parse(overrides: Sequence[str]) -> list[Override]:
    try:
        return OverridesParser.create().parse_overrides(list(overrides))
    except HydraException as error:
        remedy = _quoting_remedy(overrides)
        raise UserError(f"cannot read the overrides {list(overrides)}: {_first_line(error)}{remedy}") from None


def _quoting_remedy(overrides: Sequence[str]) -> str:
    """Return how to write the first override that ends within a bracket, cut off there by a space; else nothing."""
    for override in overrides:
        key, _, value = override.partition("=")
        if sum(map(value.count, "[{")) > sum(map(value.count, "]}")):
            closed = "[...]" if value.startswith("[") else "{...}"
            return f"; a value with spaces goes in quotes of its own: ARGS=\"'{key}={closed}'\""
    return ""


def _compose(overrides: Sequence[str], local: Mapping[str, str]) -> Any:
    """Return the composed values as plain dicts and lists."""
    everything = [*local.values(), *overrides]
    for override in _parse(everything):
        _check_override(override, local)
    try:
        return OmegaConf.to_container(composition.compose(CONF, everything), resolve=True, throw_on_missing=True)
    except MissingConfigException as error:
        raise UserError(_missing_choice(error, local)) from None
    except ConfigCompositionException as error:
        raise UserError(_bad_override(error, everything, local)) from None
    except omegaconf.errors.OmegaConfBaseException as error:
        key = str(error.full_key or "")
        raise UserError(f"{key or 'configuration'}: {_first_line(error)}{origin_of(key, local)}") from None


def _check_override(override: Override, local: Mapping[str, str]) -> None:
    """Refuse what Hydra refuses with an exception of another kind, or only in its own terms."""
    line, group = override.input_line, override.key_or_group
    if override.is_sweep_override():
        raise UserError(
            f"{line} names several values; give one, or put -m before it for a multirun of adapt, plan, fetch or status"
        )
    if group not in _groups() or override.is_delete():
        return
    if override.package is not None:
        raise UserError(f"{line}: a group has one place only; leave @{override.package} out")
    if override.is_add() or override.is_force_add():
        raise UserError(f"{group} has a choice already: write {str(line).lstrip('+')} without +")
    name = override.get_value_element_as_str().strip("'\"")
    if name not in choices(group):
        raise UserError(unknown(group, name, choices(group)) + origin_of(group, local))


def _missing_choice(error: MissingConfigException, local: Mapping[str, str]) -> str:
    group, _, name = (error.missing_cfg_file or "").rpartition("/")
    return unknown(group or "config", name, error.options or []) + origin_of(group, local)


def _bad_override(error: ConfigCompositionException, overrides: Sequence[str], local: Mapping[str, str]) -> str:
    text = f"{error}\n{error.__cause__}"
    if taken := re.search(r"An item is already at '([\w.]+)'", text):
        return f"{taken.group(1)} has a value already: write it without +{origin_of(taken.group(1), local)}"
    key = re.search(r"full_key: (\S+)", text) or re.search(r"Could not (?:override|delete)[\w ]*'\+?([\w.]+)'", text)
    if key is None:
        return f"configuration: {_first_line(error)}"
    parent, _, name = key.group(1).rpartition(".")
    below = next((fact for fact in local if fact.startswith(f"{key.group(1)}.")), key.group(1))
    origin = origin_of(below, local)
    siblings = _siblings(parent, overrides) if parent else _top_keys()
    if siblings is None:
        return unknown("key", key.group(1), _top_keys()) + origin
    if not siblings:
        return f"{parent} names nothing yet: write +{key.group(1)}=... to add to it{origin}"
    return unknown(f"key in {parent}" if parent else "key", name, siblings) + origin


def _siblings(parent: str, overrides: Sequence[str]) -> list[str] | None:
    """Return the keys of a section under the groups' chosen files; None where it is no section."""
    choices = [override for override in overrides if override.partition("=")[0] in _groups()]
    try:
        section = OmegaConf.select(composition.compose(CONF, choices), parent)
    except (HydraException, omegaconf.errors.OmegaConfBaseException):
        return None  # a faulty choice beside the faulty key
    return [str(key) for key in section] if isinstance(section, omegaconf.DictConfig) else None


def _groups() -> list[str]:
    return sorted(path.name for path in CONF.iterdir() if path.is_dir())


def choices(group: str) -> list[str]:
    """Return the files of a group under conf/, for example the mappings."""
    return sorted(path.stem for path in (CONF / group).glob("*.yaml"))


def _top_keys() -> list[str]:
    return sorted({*_groups(), *Config.model_fields})


def _first_line(error: BaseException) -> str:
    return str(error).strip().splitlines()[0]


def _problems(error: ValidationError, local: Mapping[str, str]) -> Iterator[str]:
    for problem in _once(error):
        place, kind = problem["loc"], problem["type"]
        path, _ = keys_at(place)
        origin = origin_of(path, local)
        if kind == "extra_forbidden":
            parent, keys = keys_at(place[:-1])
            yield unknown(f"key in {parent}" if parent else "key", str(place[-1]), keys) + origin
        elif kind == "missing":
            yield f"{path} has no value; set it in its file under conf/ or on the command line"
        elif kind == "union_tag_invalid":
            name, tag, tags = (problem["ctx"][part] for part in ("discriminator", "tag", "expected_tags"))
            key = f"{path}.{name.strip(QUOTE)}"
            yield unknown(key, tag, [choice.strip(QUOTE) for choice in tags.split(", ")]) + origin_of(key, local)
        else:
            message = problem["msg"].removeprefix("Value error, ")
            message = f"{message[:1].lower()}{message[1:]}"
            # A whole section is no value that the user gave.
            given = "" if isinstance(problem["input"], Mapping) else f"={problem['input']!r}"
            yield f"{path}{given}{origin}: {message}" if path else message


def _once(error: ValidationError) -> list[Any]:
    """Return the problems but for those that a section repeats of the one that it takes: `translation.decoding`."""
    problems = error.errors()
    return [
        problem
        for problem in problems
        if not any(
            problem["loc"][depth:] == other["loc"]
            and (problem["type"], problem["input"]) == (other["type"], other["input"])
            for depth in range(1, len(problem["loc"]))
            for other in problems
        )
    ]


def as_yaml(config: Config) -> str:
    """Return the checked configuration as YAML, for `make config`."""
    values: Mapping[str, Any] = config.model_dump(mode="json")
    return OmegaConf.to_yaml(OmegaConf.create(dict(values)))
