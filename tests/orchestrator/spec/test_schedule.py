"""Learning rates follow OpenLM's formulas, and a branch takes up where its trunk stands."""

import math

import pytest

from orchestrator.errors import ConfigError
from orchestrator.spec.schedule import (
    Phase,
    Schedule,
    Shape,
    continue_from,
    rewarm,
    warmup_cosine,
)


def open_lm_cosine(step: int, *, peak: float, final: float, warmup: int, steps: int) -> float:
    """OpenLM's cosine schedule, by step (open_lm/scheduler.py at 9bb92ef)."""
    if step < warmup:
        return peak * (step + 1) / warmup
    share = (step - warmup) / (steps - warmup)
    return final + 0.5 * (1 + math.cos(math.pi * share)) * (peak - final)


def test_warm_up_and_cosine_equal_open_lm_at_every_step() -> None:
    batch, warmup, steps = 1_024, 40, 500
    schedule = warmup_cosine(peak=1e-2, final=1e-5, warmup=warmup * batch, length=steps * batch)
    for step in range(steps):
        expected = open_lm_cosine(step, peak=1e-2, final=1e-5, warmup=warmup, steps=steps)
        assert schedule.learning_rate(step * batch, batch) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("share", "rate"),
    [(0.2, 9.05e-3), (0.4, 6.55e-3), (0.6, 3.46e-3), (0.8, 9.64e-4), (1.0, 1e-5)],
)
def test_the_studys_trunk_has_the_stated_rates_at_its_cooldown_points(
    share: float, rate: float
) -> None:
    trunk = warmup_cosine(peak=1e-2, final=1e-5, warmup=0, length=1_000_000)
    assert trunk.learning_rate(round(share * 1_000_000), 1) == pytest.approx(rate, rel=2e-3)


def test_past_its_end_a_schedule_stays_where_it_is() -> None:
    schedule = warmup_cosine(peak=1.0, final=0.1, warmup=0, length=100)
    assert schedule.learning_rate(100, 10) == 0.1
    assert schedule.learning_rate(10_000, 10) == 0.1


def test_a_branch_begins_at_its_trunks_rate_and_ends_at_its_own() -> None:
    trunk = warmup_cosine(peak=3e-3, final=1e-5, warmup=1_000, length=100_000)
    branch = continue_from(trunk, position=80_000, final=1e-6, length=20_000)
    assert branch.learning_rate(0, 100) == trunk.learning_rate(80_000, 100)
    assert branch.learning_rate(20_000, 100) == 1e-6
    rates = [branch.learning_rate(position, 100) for position in range(0, 20_000, 100)]
    assert rates == sorted(rates, reverse=True)


def test_a_branch_from_scratch_warms_up_as_its_trunk_does() -> None:
    trunk = warmup_cosine(peak=3e-3, final=1e-5, warmup=1_000, length=100_000)
    branch = continue_from(trunk, position=0, final=0.0, length=50_000)
    for position in range(0, 1_000, 100):
        expected = trunk.learning_rate(position, 100)
        assert branch.learning_rate(position, 100) == pytest.approx(expected, rel=1e-12)
    assert max(branch.learning_rate(p, 100) for p in range(0, 50_000, 100)) == 3e-3


def test_a_branch_within_the_warm_up_finishes_it_first() -> None:
    trunk = warmup_cosine(peak=1.0, final=0.0, warmup=1_000, length=10_000)
    branch = continue_from(trunk, position=400, final=0.0, length=5_000)
    assert branch.learning_rate(0, 100) == pytest.approx(trunk.learning_rate(400, 100))
    assert branch.learning_rate(500, 100) == pytest.approx(1.0)


def test_re_warming_goes_up_to_its_peak_and_down_again() -> None:
    schedule = rewarm(start=1e-5, peak=3e-3, final=0.0, warmup=1_000, length=10_000)
    assert schedule.learning_rate(0, 100) == pytest.approx(1e-5 + 0.1 * (3e-3 - 1e-5))
    assert schedule.learning_rate(900, 100) == pytest.approx(3e-3)
    assert schedule.learning_rate(9_900, 100) < 1e-4


@pytest.mark.parametrize("warmup", [100, 101, -1])
def test_a_warm_up_as_long_as_its_schedule_is_refused(warmup: int) -> None:
    with pytest.raises(ConfigError):
        rewarm(start=0.0, peak=1.0, final=0.0, warmup=warmup, length=100)


def test_a_constant_phase_between_others_holds() -> None:
    schedule = Schedule(
        phases=(
            Phase(shape=Shape.WARMUP, length=100, start=0.0, end=1.0),
            Phase(shape=Shape.CONSTANT, length=300, start=1.0, end=1.0),
            Phase(shape=Shape.LINEAR, length=100, start=1.0, end=0.0),
        )
    )
    assert schedule.length == 500
    assert [schedule.learning_rate(p, 50) for p in (0, 50, 100, 399, 400, 450, 500)] == (
        pytest.approx([0.5, 1.0, 1.0, 1.0, 1.0, 0.5, 0.0])
    )
