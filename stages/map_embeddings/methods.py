"""The initialisation methods that users choose by name."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pipeline.errors import UserError
from pipeline.registry import Registry
from stages.map_embeddings.initialization import Initialization, MappingTask

Initialize = Callable[..., Initialization]


@dataclass(frozen=True)
class InitMethod:
    """A method and what it cannot do without (fields of MappingTask: table, text, dictionary, donor)."""

    initialize: Initialize
    needs: tuple[str, ...]

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
        missing = [need for need in self.needs if getattr(task, need) is None]
        if missing:
            raise UserError(f"init method '{self.initialize.__name__}' needs a {' and a '.join(missing)}")
        return self.initialize(task, **options)


INIT_METHODS: Registry[InitMethod] = Registry("init method")


def init_method(needs: tuple[str, ...] = ()) -> Callable[[Initialize], Initialize]:
    """Register a function `(task, *, option, ...) -> Initialization` under its name; use as a decorator."""

    def add(initialize: Initialize) -> Initialize:
        INIT_METHODS[initialize.__name__] = InitMethod(initialize, needs)
        return initialize

    return add
