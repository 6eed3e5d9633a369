"""Sequences, shares and schedules: every token once, whatever the number of processes."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import ValidationError
from training_case import TRAINING

from stages.shared.training.batches import IGNORED, Blocks
from stages.shared.training.schedule import make_schedule
from stages.shared.training.settings import TrainingSettings, blocks, optimizer_steps
from stages.shared.training.share import make_share


def settings(**values) -> TrainingSettings:
    return TrainingSettings.model_validate(TRAINING | values)


@given(
    tokens=st.integers(2, 200),
    length=st.integers(2, 9),
    batch=st.integers(1, 6),
    ranks=st.integers(1, 3),
    micro_batch=st.integers(1, 3),
)
def test_every_token_but_the_first_is_predicted_exactly_once(tokens, length, batch, ranks, micro_batch):
    assume(batch % min(micro_batch, batch) == 0)
    stream = np.arange(tokens, dtype=np.uint16)
    data = Blocks(stream, np.array([0]), length, by_document=False)
    shares = [make_share(batch * ranks, micro_batch, rank, ranks) for rank in range(ranks)]
    wanted = settings(sequence_length=length, global_batch=batch * ranks)
    steps, seen = optimizer_steps(tokens, wanted), []
    for step in range(steps):
        here = []
        for share in shares:
            rows = share.rows(step, len(data))
            alike = [len(part) for part in shares[0].rows(step, len(data))]
            assert [len(part) for part in rows] == alike, "a process without a batch would leave the others waiting"
            for part in rows:
                made = data.batch(part)
                kept = made.labels != IGNORED
                assert (made.labels[kept] == made.inputs[kept] + 1).all()
                here += made.labels[kept].tolist()
        assert len(here) == data.targets(step * batch * ranks, (step + 1) * batch * ranks)
        seen += here
    assert sorted(seen) == list(range(1, tokens))
    assert len(data) == blocks(tokens, length)


@given(data=st.data(), tokens=st.integers(2, 60), length=st.integers(2, 9))
def test_positions_count_within_documents(data, tokens, length):
    starts = sorted({0, *data.draw(st.lists(st.integers(0, tokens - 1), max_size=8))})
    cut = Blocks(np.zeros(tokens, dtype=np.uint16), np.array(starts), length, by_document=True)
    for row in range(len(cut)):
        positions = cut.batch([row]).positions[0]
        for place in range(min(length, tokens - row * length)):
            here = row * length + place
            begin = max(max(start for start in starts if start <= here), row * length)
            assert positions[place] == here - begin


@given(
    steps=st.integers(1, 300),
    schedule=st.sampled_from(["cosine", "constant", "warmup_stable_decay"]),
    warmup=st.floats(0, 0.5),
    low=st.floats(0, 1),
)
def test_the_rate_rises_then_never_rises_again(steps, schedule, warmup, low):
    course = make_schedule(settings(schedule=schedule, warmup_share=warmup, min_learning_rate_share=low), steps)
    factors = [course.factor(step, since=0) for step in range(steps)]
    rise = round(warmup * steps)
    assert all(0 <= factor <= 1 for factor in factors)
    assert all(later <= earlier + 1e-12 for earlier, later in zip(factors[rise:], factors[rise + 1 :], strict=False))
    assert factors[0] <= 1 / (rise + 1)
    assert course.ends[-1] == steps
    assert [course.phase(step) for step in range(steps)] == sorted(course.phase(step) for step in range(steps))


COURSES = ("cosine", "constant", "warmup_stable_decay")


@given(
    steps=st.integers(2, 200),
    course=st.sampled_from(COURSES),
    own=st.sampled_from(COURSES),
    share=st.floats(0.05, 0.95),
    low=st.floats(0, 1),
)
def test_a_phase_with_a_schedule_of_its_own_follows_it_as_if_it_were_the_training(steps, course, own, share, low):
    plain = {"schedule": course, "warmup_share": 0.0, "min_learning_rate_share": low}
    shares = [TRAINING["phases"][0] | {"share": share}, TRAINING["phases"][1] | {"share": 1 - share}]
    shared = make_schedule(settings(**plain, phases=shares), steps)
    begin, end = shared.begin(1), shared.ends[1]
    alone = make_schedule(settings(**plain | {"schedule": own}), max(1, end - begin))
    course_of_each = make_schedule(settings(**plain, phases=[shares[0], shares[1] | {"schedule": own}]), steps)
    for step in range(steps):
        expected = alone.factor(step - begin, since=0) if step >= begin else shared.factor(step, since=0)
        assert course_of_each.factor(step, since=0) == pytest.approx(expected)


def test_what_has_no_schedule_of_its_own_is_hashed_as_before():
    plain, named = settings(), settings(phases=[phase | {"schedule": None} for phase in TRAINING["phases"]])
    assert plain.identity() == named.identity()
    assert all("schedule" not in phase for phase in plain.identity()["phases"])
    own = settings(phases=[TRAINING["phases"][0] | {"schedule": "constant"}, TRAINING["phases"][1]])
    assert own.identity()["phases"][0]["schedule"] == "constant"
    assert own.schedules == ("constant", "cosine")


def test_phases_must_make_up_the_whole():
    half = [phase | {"share": 0.4} for phase in TRAINING["phases"]]
    with pytest.raises(ValidationError, match=r"make up 0\.8; they must make up 1"):
        settings(phases=half)


def test_planning_needs_no_torch():
    import subprocess
    import sys

    code = (
        "import sys, stages.continue_pretraining.settings as s; assert not {'torch', 'transformers'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
