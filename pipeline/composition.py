"""Hydra's composition of conf/adapt.yaml for those who compose often: tests, sweeps, leaderboards, all languages.

Hydra reads and merges forty files for every composition. Here a process reads each file once and merges the chosen ones
once; values are applied to a copy of what comes out, by the function that Hydra applies them with. What is kept is kept
pickled: Hydra and OmegaConf change what they are given, and unpickling is the quickest copy.
"""

import copy
import pickle
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import hydra
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.config_repository import ConfigRepository
from hydra._internal.utils import create_config_search_path
from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.plugins.config_source import ConfigResult
from omegaconf import DictConfig, open_dict

Stamp = tuple[tuple[str, int, int], ...]
"""Path, time of change in ns and size in bytes of every YAML file: once one changes, all are read anew."""


class Merged(NamedTuple):
    """The chosen files merged, before values are given."""

    pickled: bytes
    """A DictConfig."""
    choices: dict[str, str | None]
    """Chosen file by group."""


def compose(conf: Path, overrides: Sequence[str]) -> DictConfig:
    """Return `conf`/adapt.yaml composed with the overrides: values and exceptions are those of `hydra.compose`."""
    parsed = OverridesParser.create().parse_overrides(list(overrides))
    values: DictConfig = pickle.loads(_merged(conf, parsed).pickled)
    given = [override for override in parsed if not _decides_files(override, conf)]
    ConfigLoaderImpl._apply_overrides_to_config(given, values)
    return values


def chosen_files(conf: Path, overrides: Sequence[str]) -> dict[str, str | None]:
    """Return which file of each group the overrides lead to."""
    return dict(_merged(conf, OverridesParser.create().parse_overrides(list(overrides))).choices)


def _decides_files(override: Override, conf: Path) -> bool:
    """Tell whether an override may change which files are read, or whether Hydra refuses it before it reads any."""
    key = str(override.key_or_group)
    if override.is_sweep_override() or "/" in key or key.partition(".")[0] == "hydra":
        return True
    return (conf / key).is_dir() and not isinstance(override.value(), dict)


def _merged(conf: Path, parsed: Sequence[Override]) -> Merged:
    choices = tuple(str(override.input_line) for override in parsed if _decides_files(override, conf))
    return _merge(conf, _stamp(conf), choices)


def _stamp(conf: Path) -> Stamp:
    files = ((str(path), path.stat()) for path in sorted([*conf.glob("*.yaml"), *conf.glob("*/*.yaml")]))
    return tuple((name, status.st_mtime_ns, status.st_size) for name, status in files)


@lru_cache(maxsize=256)  # of 50 kB each
def _merge(conf: Path, stamp: Stamp, choices: tuple[str, ...]) -> Merged:
    with hydra.initialize_config_dir(str(conf), version_base="1.3"):
        loader = GlobalHydra.instance().config_loader()
        assert isinstance(loader, ConfigLoaderImpl)
        loader.repository = _files(conf, stamp)
        values = hydra.compose("adapt", overrides=list(choices), return_hydra_config=True)
    chosen: dict[str, Any] = dict(values.hydra.runtime.choices)
    with open_dict(values):
        del values["hydra"]
    return Merged(pickle.dumps(values), chosen)


@lru_cache(maxsize=1)
def _files(conf: Path, stamp: Stamp) -> "FilesReadOnce":
    return FilesReadOnce(create_config_search_path(search_path_dir=str(conf)))


class FilesReadOnce(ConfigRepository):
    """The files of conf/ and Hydra's own, each parsed once."""

    def initialize_sources(self, config_search_path: ConfigSearchPath) -> None:
        """Look in these folders from now on: when made, and when Hydra meets a `hydra.searchpath`."""
        self._read: dict[str, bytes] = {}
        super().initialize_sources(config_search_path)

    def load_config(self, config_path: str) -> ConfigResult | None:
        """Return a file's content, None where there is no such file."""
        if config_path not in self._read:
            self._read[config_path] = pickle.dumps(super().load_config(config_path))
        result: ConfigResult | None = pickle.loads(self._read[config_path])
        return result

    def __deepcopy__(self, memo: dict[int, object]) -> "FilesReadOnce":
        """Share what was read: Hydra copies the repository before each composition, in case its folders change."""
        return copy.copy(self)
