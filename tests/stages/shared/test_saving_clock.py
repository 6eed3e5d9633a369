"""When the next checkpoint is due, by a clock that is set by hand."""

import pytest

from stages.shared.saving_clock import SavingClock


@pytest.mark.parametrize(("took", "waits"), [(10, 600), (30, 600), (120, 2400)])
def test_a_checkpoint_that_takes_long_is_written_less_often(took, waits):
    time = [1000.0]
    clock = SavingClock(seconds=600, pause_factor=20, now=lambda: time[0])
    time[0] += 599
    assert not clock.due
    time[0] += 1
    assert clock.due
    clock.begin()
    time[0] += took
    clock.end()
    time[0] += waits - 1
    assert not clock.due
    time[0] += 1
    assert clock.due
