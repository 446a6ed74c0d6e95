"""Curves of the learning rate: each against its formula, and refused where its parts do not fit."""

import math

import pytest

from orchestrator.errors import ConfigError
from orchestrator.spec.rate import Curve, LearningRate
from orchestrator.spec.schedule import Schedule

BATCH, STEPS = 10, 100
LENGTH = BATCH * STEPS
PEAK, FINAL, PLATEAU = 1.0, 0.01, 0.4
WARMUP, COOLDOWN, ANNEAL = 5, 20, 10  # steps


def rate(curve: Curve, **more: float) -> LearningRate:
    return LearningRate(peak=PEAK, final=FINAL, warmup_steps=WARMUP, curve=curve, **more)


def expected(curve: Curve, step: int) -> float:
    """State each curve once more, by step."""
    if step < WARMUP:
        return PEAK * (step + 1) / WARMUP
    share = (step - WARMUP) / (STEPS - WARMUP)
    if curve is Curve.COSINE:
        return FINAL + 0.5 * (1 + math.cos(math.pi * share)) * (PEAK - FINAL)
    if curve is Curve.LINEAR:
        return PEAK + share * (FINAL - PEAK)
    down = max(0.0, (step - (STEPS - ANNEAL)) / ANNEAL)
    if curve is Curve.WSD:
        return PEAK + down * (FINAL - PEAK)
    if curve is Curve.INFINITE:
        cooled = min(1.0, (step - WARMUP) / COOLDOWN)
        held = PLATEAU + 0.5 * (1 + math.cos(math.pi * cooled)) * (PEAK - PLATEAU)
        return held * (FINAL / PLATEAU) ** down
    return PEAK


def options(curve: Curve) -> dict[str, float]:
    parts = {Curve.WSD: ("anneal",), Curve.INFINITE: ("anneal", "cooldown", "plateau")}
    values = {"anneal": ANNEAL / STEPS, "cooldown": COOLDOWN / STEPS, "plateau": PLATEAU}
    return {name: values[name] for name in parts.get(curve, ())}


def steps(schedule: Schedule, until: int = STEPS) -> list[float]:
    return [schedule.learning_rate(step * BATCH, BATCH) for step in range(until)]


@pytest.mark.parametrize("curve", list(Curve))
def test_every_curve_equals_its_formula_at_every_step(curve: Curve) -> None:
    schedule = rate(curve, **options(curve)).schedule(length=LENGTH, batch=BATCH)
    assert schedule.length == LENGTH
    assert steps(schedule) == pytest.approx(
        [expected(curve, step) for step in range(STEPS)], rel=1e-12
    )


@pytest.mark.parametrize("curve", list(Curve))
@pytest.mark.parametrize("end", [3, 5, 17, 25, 60, 90, 95, 100])
def test_what_decides_the_first_steps_gives_the_same_rates(curve: Curve, end: int) -> None:
    whole = rate(curve, **options(curve)).schedule(length=LENGTH, batch=BATCH)
    assert steps(whole.until(end * BATCH), end) == steps(whole, end)
    assert whole.until(end * BATCH).until(2 * BATCH) == whole.until(2 * BATCH)


def test_schedules_of_other_lengths_agree_while_their_rates_do() -> None:
    def schedule(curve: Curve, length: int) -> Schedule:
        return rate(curve, **options(curve)).schedule(length=length, batch=BATCH)

    for curve in (Curve.WSD, Curve.CONSTANT):
        assert schedule(curve, LENGTH).until(800) == schedule(curve, 2 * LENGTH).until(800)
        assert schedule(curve, LENGTH).until(800) == schedule(Curve.CONSTANT, LENGTH).until(800)
    assert schedule(Curve.WSD, LENGTH).until(950) != schedule(Curve.WSD, 2 * LENGTH).until(950)
    assert schedule(Curve.COSINE, LENGTH).until(800) != schedule(Curve.COSINE, 2000).until(800)
    # The warm-up is common to all of them.
    assert schedule(Curve.COSINE, LENGTH).until(50) == schedule(Curve.LINEAR, 2 * LENGTH).until(50)


@pytest.mark.parametrize(
    ("curve", "missing"),
    [(Curve.WSD, "anneal"), (Curve.INFINITE, "cooldown"), (Curve.INFINITE, "plateau")],
)
def test_a_curve_without_its_parts_is_refused(curve: Curve, missing: str) -> None:
    given = {name: value for name, value in options(curve).items() if name != missing}
    with pytest.raises(ConfigError) as caught:
        rate(curve, **given).schedule(length=LENGTH, batch=BATCH)
    assert caught.value.where == missing


@pytest.mark.parametrize("curve", [Curve.WSD, Curve.INFINITE, Curve.LINEAR])
def test_parts_longer_than_the_whole_are_refused(curve: Curve) -> None:
    longer = LearningRate(
        peak=PEAK, final=FINAL, warmup_steps=60, curve=curve, cooldown=0.3, anneal=0.5, plateau=0.4
    )
    with pytest.raises(ConfigError) as caught:
        longer.schedule(length=LENGTH if curve is not Curve.LINEAR else 60 * BATCH, batch=BATCH)
    assert "longer than" in caught.value.what
