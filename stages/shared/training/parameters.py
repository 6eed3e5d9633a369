"""Which weights a phase trains, in groups for the optimizer."""

import re
from dataclasses import dataclass

from torch import nn

from pipeline.errors import UserError
from stages.shared.training.adapters import is_adapter
from stages.shared.training.schedule import Schedule
from stages.shared.training.settings import AdapterSettings, LoraAdapter, PhaseSettings, TrainingSettings

LAYER = re.compile(r"\.(?:layers|layer|h)\.(\d+)\.")  # Llama and its kin; RoBERTa and BERT; GPT-2


@dataclass(frozen=True)
class Group:
    """Weights with one learning rate and decay."""

    names: tuple[str, ...]
    embeddings: bool
    """Whether these are the input table and the head."""
    decayed: bool
    """Whether these are matrices of the body."""
    multiplied: bool
    """Whether these are matrices of the body that are multiplied with; an encoder's learned positions are looked up."""
    phases: tuple[int, ...]
    """The phases that train them."""

    def learning_rate(self, schedule: Schedule, step: int) -> float:
        """Return the rate at a step (from 0); 0 where its phase leaves these weights alone."""
        phase = schedule.phase(step)
        if phase not in self.phases:
            return 0.0
        settings = schedule.settings.phases[phase]
        peak = settings.embedding_learning_rate if self.embeddings else settings.learning_rate
        # Trained without a break since this phase began.
        first = phase
        while first - 1 in self.phases:
            first -= 1
        return peak * schedule.factor(step, schedule.begin(first))


def make_groups(model: nn.Module, settings: TrainingSettings) -> list[Group]:
    """Sort the weights that some phase trains into groups, in the model's order.

    Raises UserError for a phase that names more layers than there are.
    """
    tables = embedding_names(model)
    allowed = trainable_names(model, settings.adapter, tables)
    trained = [trained_names(model, phase, tables) & allowed for phase in settings.phases]
    looked_up = {id(part.weight) for part in model.modules() if isinstance(part, nn.Embedding)}
    members: dict[tuple[bool, bool, bool, tuple[int, ...]], list[str]] = {}
    for name, weight in model.named_parameters():
        phases = tuple(number for number, names in enumerate(trained) if name in names)
        if phases:
            matrix = name not in tables and weight.dim() > 1
            key = (name in tables, matrix, matrix and id(weight) not in looked_up, phases)
            members.setdefault(key, []).append(name)
    return [Group(tuple(names), *key) for key, names in members.items()]


def embedding_names(model: nn.Module) -> set[str]:
    """Return the names of the input table and, where it is not tied, of the head; of its bias by token too."""
    head = model.get_output_embeddings()  # type: ignore[operator]
    tables = {id(model.get_input_embeddings().weight), *(id(weight) for weight in head.parameters())}  # type: ignore[operator]
    return {name for name, weight in model.named_parameters() if id(weight) in tables}


def trainable_names(model: nn.Module, adapter: AdapterSettings, tables: set[str]) -> set[str]:
    """Return the names of the weights that phases may train: with adapters these and, if wanted, the tables."""
    names = {name for name, _ in model.named_parameters()}
    if not isinstance(adapter, LoraAdapter):
        return names
    return {name for name in names if is_adapter(name)} | (tables if adapter.embeddings else set())


def trained_names(model: nn.Module, phase: PhaseSettings, tables: set[str]) -> set[str]:
    """Return the names of the weights that a phase trains."""
    names = [name for name, _ in model.named_parameters()]
    if phase.train == "all":
        return set(names)
    if phase.train == "embeddings":
        return tables
    first, last = (int(number) for number in phase.train.split("x"))
    places = {name: int(found[1]) for name in names if (found := LAYER.search(name))}
    layers = max(places.values(), default=-1) + 1
    if first + last > layers:
        raise UserError(
            f"training phase '{phase.name}' trains {phase.train} layers, the model has {layers}; "
            "give at most so many in all, or `train: all`"
        )
    return tables | {name for name, place in places.items() if place < first or place >= layers - last}


def enter_phase(model: nn.Module, groups: list[Group], phase: int) -> list[nn.Parameter]:
    """Let exactly the weights of a phase have gradients, and return them."""
    trained = {name for group in groups if phase in group.phases for name in group.names}
    chosen = []
    for name, weight in model.named_parameters():
        weight.requires_grad_(name in trained)
        weight.grad = None
        if name in trained:
            chosen.append(weight)
    return chosen
