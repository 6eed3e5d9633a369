"""Which keys the configuration may have at a place, for messages about those that it may not."""

from collections.abc import Sequence
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pipeline.section import Section
from pipeline.settings import Config


def keys_at(place: Sequence[int | str]) -> tuple[str, list[str]]:
    """Return a place in the configuration as users write it, and the keys that the section there allows.

    Pydantic names in the place also which member of a union it took, which is no key.

    >>> keys_at(("alignment", "table", "path"))
    ('alignment.path', [])
    >>> keys_at(("training", "phases", 0))
    ('training.phases.0', ['embedding_learning_rate', 'learning_rate', 'name', 'schedule', 'share', 'train'])
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
