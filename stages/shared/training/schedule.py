"""Which phase a step belongs to, and its learning rates; pure arithmetic."""

import math
from bisect import bisect_right
from dataclasses import dataclass

from stages.shared.training.settings import Course, TrainingSettings


@dataclass(frozen=True)
class Schedule:
    """The course of one training; steps are counted from 0."""

    settings: TrainingSettings
    steps: int
    ends: tuple[int, ...]
    """The step at which each phase is over."""

    def phase(self, step: int) -> int:
        """Return the number of the phase that a step belongs to.

        A share of less than half a step has none.
        """
        return min(bisect_right(self.ends, step), len(self.ends) - 1)

    def begin(self, phase: int) -> int:
        """Return the first step of a phase."""
        return self.ends[phase - 1] if phase else 0

    def factor(self, step: int, since: int) -> float:
        """Return the share of the peak learning rate at a step, for weights trained since step `since`.

        The fall spans the whole training, or the phase where that has a schedule of its own; the rise begins anew for
        weights that join later, because AdamW knows nothing of their gradients yet.
        """
        rise = round(self.settings.warmup_share * self.steps)
        warmth = min(1.0, (step - since + 1) / (rise + 1))
        low = self.settings.min_learning_rate_share
        return warmth * (low + (1 - low) * self._height(step))

    def _height(self, step: int) -> float:
        number = self.phase(step)
        own = self.settings.phases[number].schedule
        if own is None:
            return height(self.settings.schedule, step / self.steps, self.settings.decay_share)
        begin = self.begin(number)
        return height(own, (step - begin) / (self.ends[number] - begin), self.settings.decay_share)


def height(course: Course, progress: float, decay_share: float) -> float:
    """Return where a learning rate is between what it falls to (0) and its peak (1), at a share of its steps.

    >>> [height("warmup_stable_decay", progress, decay_share=0.5) for progress in (0.0, 0.5, 0.75)]
    [1.0, 1.0, 0.5]
    """
    if course == "cosine":
        return 0.5 * (1 + math.cos(math.pi * progress))
    if course == "warmup_stable_decay" and decay_share > 0:
        return min(1.0, (1 - progress) / decay_share)
    return 1.0


def make_schedule(settings: TrainingSettings, steps: int) -> Schedule:
    """Lay out the phases over the optimizer steps: shares 0.25 and 0.75 of 40 steps end at steps 10 and 40."""
    shares, ends = 0.0, []
    for phase in settings.phases:
        shares += phase.share
        ends.append(round(shares * steps))
    return Schedule(settings, steps, (*ends[:-1], steps))
