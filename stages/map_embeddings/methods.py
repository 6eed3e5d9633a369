"""The initialisation methods that users choose by name."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from pipeline.errors import UserError
from pipeline.registry import Registry
from stages.map_embeddings.initialization import Initialization, MappingTask

Initialize = Callable[..., Initialization]


class Need(NamedTuple):
    """Words for something that a method cannot do without."""

    what: str
    remedy: str


NEEDS = {
    "table": Need("a table of aligned words", "name bitext in bitext.cards, or give alignment=table"),
    "text": Need("text in the target language", "give --text=FILE to from_table"),
    "dictionary": Need("a dictionary", "give dictionary=file dictionary.path=FILE.tsv (source word TAB target word)"),
    "donor": Need("a donor", "give --donor=DIR to from_table, the folder of a model with the target vocabulary"),
    "token_vectors": Need("token vectors", "give --token-vectors=DIR to from_table; a run trains them by itself"),
    "source_vectors": Need("source word vectors", "give --source-vectors=DIR; a run trains them where there is bitext"),
    "target_vectors": Need("target word vectors", "give --target-vectors=DIR to from_table; a run trains them itself"),
}
"""By field of MappingTask."""


@dataclass(frozen=True)
class InitMethod:
    """A method and what it cannot do without, fields of MappingTask."""

    initialize: Initialize
    needs: tuple[str, ...]
    instead: Mapping[str, str] = field(default_factory=dict)
    """What does as well where it is given, by need."""

    @property
    def options(self) -> tuple[str, ...]:
        """Names of the options that the method takes, all of them required."""
        parameters = inspect.signature(self.initialize).parameters.values()
        return tuple(parameter.name for parameter in parameters if parameter.kind is parameter.KEYWORD_ONLY)

    def check_options(self, name: str, options: dict[str, Any]) -> None:
        """Raise UserError unless exactly the method's options are given."""
        unknown, missing = sorted(set(options) - set(self.options)), sorted(set(self.options) - set(options))
        if unknown or missing:
            wrong = [f"unknown option '{key}'" for key in unknown] + [f"missing option '{key}'" for key in missing]
            allowed = ", ".join(self.options) or "none"
            raise UserError(f"init method '{name}': {'; '.join(wrong)}. Its options: {allowed}")

    def __call__(self, task: MappingTask, **options: Any) -> Initialization:
        """Run the method. Raises UserError where the task lacks what it needs."""
        if missing := self.missing(task):
            told = "; and ".join(f"{NEEDS[need].what}: {NEEDS[need].remedy}" for need in missing)
            raise UserError(f"init method '{self.initialize.__name__}' needs {told}")
        return self.initialize(task, **options)

    def missing(self, given: Any) -> list[str]:
        """Return the needs that are None in `given`, and for which nothing else is there instead."""
        return [
            need
            for need in self.needs
            if getattr(given, need) is None and getattr(given, self.instead.get(need, need)) is None
        ]


INIT_METHODS: Registry[InitMethod] = Registry("init method")


def init_method(
    needs: tuple[str, ...] = (), instead: Mapping[str, str] | None = None
) -> Callable[[Initialize], Initialize]:
    """Register a function `(task, *, option, ...) -> Initialization` under its name; use as a decorator."""

    def add(initialize: Initialize) -> Initialize:
        INIT_METHODS[initialize.__name__] = InitMethod(initialize, needs, instead or {})
        return initialize

    return add
