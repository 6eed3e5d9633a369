"""This machine's facts: conf/local.yaml, read as overrides that come before the user's own."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import omegaconf
import yaml
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Quote, QuotedString
from hydra.errors import HydraException
from omegaconf import OmegaConf

from pipeline.composition import compose
from pipeline.config_keys import keys_at
from pipeline.errors import UserError
from pipeline.provenance import ROOT

LOCAL = ROOT / "conf" / "local.yaml"


def local_facts(file: Path, given: Sequence[str]) -> dict[str, str]:
    """Return this machine's facts, each by its key as an override to put before the given ones, which win.

    Hydra has no optional file outside of a group, and as overrides they may also choose, say, `cluster: one_gpu`.
    A section of which nothing is left is skipped: the example file has all of `machine` to be commented out. So is
    what stands below `cluster.slurm` and `cluster.array` where the chosen cluster has none of these.
    """
    if not file.exists():
        return {}
    keys = {override.lstrip("+~").partition("=")[0] for override in given}
    facts = {
        key: f"{key}={hydra_value(value)}"
        for key, value in _leaves(_read_local(file))
        if key not in keys and not (value is None and _is_section(key))
    }
    for key, override in facts.items():
        try:
            OverridesParser.create().parse_override(override)
        except HydraException:
            raise UserError(f"{_shown(file)}: cannot read '{key}'; a key is words joined by dots") from None
    unused = _unused(facts, given)
    return {key: override for key, override in facts.items() if key not in unused}


def _unused(facts: Mapping[str, str], given: Sequence[str]) -> set[str]:
    """Return the facts below a section that the chosen cluster leaves null, so that one file holds for all clusters."""
    below = {key: key.split(".")[1] for key in facts if key.startswith(("cluster.slurm.", "cluster.array."))}
    if not below:
        return set()
    choices = [override for override in (*facts.values(), *given) if re.match(r"\w+=", override)]
    try:
        cluster = compose(ROOT / "conf", choices).cluster
    except (HydraException, omegaconf.errors.OmegaConfBaseException):
        return set()  # a faulty choice, which is told where the whole configuration is composed
    return {key for key, section in below.items() if section in cluster and cluster[section] is None}


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
        raise UserError(f"{_shown(file)} is not YAML: {str(error).strip().splitlines()[0]}") from None


def _shown(file: Path) -> str:
    return str(file.relative_to(ROOT) if file.is_relative_to(ROOT) else file)


def _leaves(value: Mapping[Any, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, item in value.items():
        if isinstance(item, Mapping):
            yield from _leaves(item, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", item


def hydra_value(value: Any) -> str:
    r"""Return a value as Hydra's grammar spells it: JSON's escapes would be taken for the characters themselves.

    >>> print(hydra_value(["mé", "it's", 1, None, {"a": True}]))
    ['mé','it\'s',1,null,{a:true}]
    """
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{key}:{hydra_value(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(hydra_value, value)) + "]"
    if isinstance(value, str):
        return QuotedString(value, Quote.single).with_quotes()
    return "null" if value is None else str(value).lower()


def origin_of(key: str, local: Mapping[str, str]) -> str:
    """Return where a value comes from if that is conf/local.yaml, which the command line does not show."""
    # A key without a dot chooses a file of a group: the values in that file are not the local file's.
    below = any("." in fact and key.startswith(f"{fact}.") for fact in local)
    return f" (set in {_shown(LOCAL)})" if key in local or below else ""


def _is_section(key: str) -> bool:
    return "." not in key or bool(keys_at(key.split("."))[1])
