"""Schedules in words: what people declare comes back, and different schedules read differently."""

from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from orchestrator.errors import ConfigError
from orchestrator.plan.compare.rate_words import rate_words
from orchestrator.spec.codec import decode
from orchestrator.spec.rate import Curve, LearningRate
from orchestrator.spec.schedule import Phase, Schedule, Shape

LENGTH, BATCH = 64_000, 64


@pytest.mark.parametrize(
    ("declared", "words"),
    [
        (
            {"warmup": 0.05, "final": 1e-5},
            {"curve": "cosine", "warmup": "5%", "start": 0.0, "peak": 3e-3, "final": 1e-5},
        ),
        ({}, {"curve": "cosine", "warmup": "none", "peak": 3e-3, "final": 0.0}),
        (
            {"warmup_steps": 55, "curve": "constant"},
            {"curve": "constant", "warmup": "5.5%", "start": 0.0, "peak": 3e-3},
        ),
        (
            {"warmup_steps": 33, "curve": "wsd", "anneal": 0.2},
            {
                "curve": "constant, linear",
                "warmup": "33 steps",
                "start": 0.0,
                "peak": 3e-3,
                "linear.length": "20%",
                "final": 0.0,
            },
        ),
        (
            {"curve": "infinite", "cooldown": 0.3, "plateau": 1e-3, "anneal": 0.1, "final": 1e-4},
            {
                "curve": "cosine, constant, exponential",
                "warmup": "none",
                "peak": 3e-3,
                "cosine.end": 1e-3,
                "cosine.length": "30%",
                "exponential.length": "10%",
                "final": 1e-4,
            },
        ),
    ],
)
def test_what_was_declared_comes_back(declared: dict[str, Any], words: dict[str, Any]) -> None:
    rate = decode(LearningRate, {"peak": 3e-3, **declared})
    schedule = rate.schedule(length=LENGTH, batch=BATCH)
    assert rate_words(schedule, length=LENGTH, batch=BATCH) == words


def test_a_length_that_no_round_share_gives_is_said_in_steps() -> None:
    schedule = LearningRate(peak=1e-2, warmup_steps=5_001).schedule(length=10**9, batch=64)
    words = rate_words(schedule, length=10**9, batch=64)
    assert words["warmup"] == "5001 steps"


@pytest.mark.parametrize(("steps", "words"), [(1, "1 step"), (5, "5 steps"), (7, "7%")])
def test_few_steps_are_not_said_as_a_share(steps: int, words: str) -> None:
    schedule = LearningRate(peak=1e-2, warmup_steps=steps).schedule(length=6_400, batch=64)
    assert rate_words(schedule, length=6_400, batch=64)["warmup"] == words


def test_a_trunk_says_how_long_it_is_unless_it_may_have_been_cut() -> None:
    whole = LearningRate(peak=3e-3, curve=Curve.WSD, anneal=0.2, warmup=0.1)
    schedule = whole.schedule(length=LENGTH, batch=BATCH)
    assert rate_words(schedule, length=None, batch=BATCH)["length"] == LENGTH
    cut = rate_words(schedule.until(LENGTH // 2), length=None, batch=BATCH)
    assert "length" not in cut
    assert cut["curve"] == "constant"
    assert cut["warmup"] == "100 steps"  # a share of what would it be?


def test_phases_of_one_shape_and_jumps_between_phases_are_told_apart() -> None:
    phases = (
        Phase(shape=Shape.LINEAR, length=640, start=1e-3, end=1e-4),
        Phase(shape=Shape.LINEAR, length=640, start=5e-4, end=0.0),
    )
    words = rate_words(Schedule(phases=phases), length=1_280, batch=64)
    assert words["linear[0].end"] == 1e-4
    assert words["linear[1].start"] == 5e-4
    assert words["final"] == 0.0


STEPS = st.integers(0, 400)
RATES = st.sampled_from([1e-3, 2e-3, 3e-3])


@st.composite
def schedules(draw: st.DrawFn) -> Schedule:
    share = st.sampled_from([0.0, 0.01, 0.1, 0.2])
    try:
        return LearningRate(
            peak=draw(RATES),
            final=draw(st.sampled_from([1e-5, 1e-4])),
            warmup_steps=draw(STEPS),
            curve=draw(st.sampled_from(Curve)),
            cooldown=draw(share),
            plateau=draw(RATES),
            anneal=draw(share),
        ).schedule(length=LENGTH, batch=BATCH)
    except ConfigError:
        assume(False)
        raise


@given(schedules(), schedules())
def test_different_schedules_read_differently(one: Schedule, other: Schedule) -> None:
    said = [rate_words(each, length=LENGTH, batch=BATCH) for each in (one, other)]
    assert (said[0] == said[1]) == (one == other)
