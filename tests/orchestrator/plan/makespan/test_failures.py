"""Simulated failures, against the expectations of a single run that is interrupted at random.

The expectations follow Daly 2006 ("A higher order estimate of the optimum checkpoint interval for
restart dumps", equation 13 without the cost of writing a checkpoint). A mean over `COURSES` seeds
may differ by four of its own standard errors, which it does by chance once in 16,000 times; seeds
are fixed, so that it either holds or does not.
"""

import math
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.training.training import CHECKPOINT_SECONDS
from orchestrator.errors import ConfigError, PlanError
from orchestrator.plan.makespan.capacity import Capacity, Pool, this_machine
from orchestrator.plan.makespan.failures import (
    Distribution,
    FailureRates,
    simulate_failures,
)
from orchestrator.plan.makespan.makespan import simulate
from orchestrator.plan.makespan.simulation import Rules
from orchestrator.plan.makespan.work import Work

COURSES = range(4_000)
STANDARD_ERRORS = 4


def task(name: str, *needs: str, hours: float = 1.0, devices: int = 1) -> Work:
    return Work(run_id=name, label=name, needs=needs, devices=devices, hours=hours)


def nodes(count: int, *, max_hours: float | None = None) -> Capacity:
    return Capacity(pools=(Pool(name="p", nodes=count, devices_per_node=8, max_hours=max_hours),))


def mean_and_error(values: list[float]) -> tuple[float, float]:
    mean = math.fsum(values) / len(values)
    variance = math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1)
    return mean, math.sqrt(variance / len(values))


def agree(
    expected: float,
    course: Callable[[int], Distribution],
    value: Callable[[Distribution], float],
) -> None:
    mean, error = mean_and_error([value(course(seed)) for seed in COURSES])
    assert abs(mean - expected) < STANDARD_ERRORS * error


@pytest.mark.parametrize(
    ("interval", "restart", "delay"),
    [(6.0, 0.0, 0.0), (1.5, 0.0, 0.0), (1.5, 0.0, 0.7), (1.5, 0.4, 0.7), (2.0, 0.4, 0.0)],
)
def test_a_failing_run_takes_the_expected_time(
    interval: float, restart: float, delay: float
) -> None:
    hours, mtbf = 6.0, 5.0
    rates = FailureRates(
        node_mtbf_hours=mtbf, requeue_delay_hours=delay, checkpoint_interval_hours=interval
    )
    pieces = hours / interval
    piece = (mtbf + delay) * math.exp(restart / mtbf) * (math.exp(interval / mtbf) - 1)
    agree(
        pieces * piece,
        lambda seed: simulate_failures(
            [task("a", hours=hours, devices=8)],
            nodes(1),
            rates,
            [seed],
            Rules(restart_hours=restart),
        ),
        lambda result: result.makespan_hours.mean,
    )


def test_a_run_on_many_nodes_fails_as_often_as_all_of_them_together() -> None:
    # Failures per hour on 4 nodes: 4 / 40. Without checkpoints, exp(rate x hours) - 1 of them.
    rates = FailureRates(
        node_mtbf_hours=40, requeue_delay_hours=0, checkpoint_interval_hours=math.nextafter(7, 8)
    )
    agree(
        math.exp(7 * 4 / 40) - 1,
        lambda seed: simulate_failures(
            [task("a", hours=7, devices=32)], nodes(4), rates, [seed], Rules(restart_hours=0)
        ),
        lambda result: result.interruptions.mean,
    )


def test_a_preempted_run_saves_before_it_leaves() -> None:
    # Each preemption costs the delay and the restart, in which it may be preempted again.
    hours, rate, restart, delay = 10.0, 0.3, 0.5, 0.2
    rates = FailureRates(
        node_mtbf_hours=math.inf, preemptions_per_job_hour=rate, requeue_delay_hours=delay
    )
    agree(
        hours * math.exp(rate * restart) * (1 + rate * delay),
        lambda seed: simulate_failures(
            [task("a", hours=hours)], nodes(1), rates, [seed], Rules(restart_hours=restart)
        ),
        lambda result: result.makespan_hours.mean,
    )


def test_a_failure_loses_the_work_since_the_last_checkpoint() -> None:
    # With one device, no delay and no queue, all time beyond the run's own is lost.
    rates = FailureRates(node_mtbf_hours=3, requeue_delay_hours=0, checkpoint_interval_hours=0.5)
    result = simulate_failures([task("a", hours=9)], nodes(1), rates, range(50))
    one = simulate_failures([task("a", hours=9)], nodes(1), rates, [7])
    assert result.lost_device_hours.mean == pytest.approx(result.makespan_hours.mean - 9)
    assert one.interruptions.mean > 0
    assert one.ettr.mean == one.productive_share.mean
    assert one.ettr.mean == pytest.approx(9 / one.makespan_hours.mean)


def test_waiting_to_go_on_lowers_the_ettr_but_holds_no_devices() -> None:
    rates = FailureRates(
        node_mtbf_hours=math.inf, preemptions_per_job_hour=0.5, requeue_delay_hours=2.0
    )
    rules = Rules(restart_hours=0)
    result = simulate_failures([task("a", hours=10)], nodes(1), rates, [3], rules)
    count = result.interruptions.mean
    assert count > 0
    assert result.productive_share.mean == pytest.approx(1)
    assert result.lost_device_hours.mean == pytest.approx(0, abs=1e-9)
    assert result.ettr.mean == pytest.approx(10 / (10 + 2 * count))


def test_neither_full_devices_nor_idle_ones_of_whole_nodes_lower_the_ettr() -> None:
    # Two runs in turns on one slot, and one that leaves four of its sixteen devices idle.
    turns = [task("a", hours=9), task("b", hours=9)]
    one_slot = Capacity(pools=(Pool(name="p", nodes=1, devices_per_node=1, max_hours=3),))
    calm, rules = FailureRates(node_mtbf_hours=math.inf), Rules(restart_hours=0)
    assert simulate_failures(turns, one_slot, calm, [0], rules).ettr.mean == pytest.approx(1)
    wide = [task("wide", devices=12, hours=2)]
    assert simulate_failures(wide, nodes(2), calm, [0], rules).ettr.mean == pytest.approx(1)


def test_another_run_uses_the_devices_while_an_interrupted_one_waits() -> None:
    # One slot, two runs: while one waits to go on, the other works, so that no time is lost.
    rates = FailureRates(
        node_mtbf_hours=math.inf, preemptions_per_job_hour=0.05, requeue_delay_hours=0.5
    )
    work = [task("a", hours=10), task("b", hours=10)]
    results = [
        simulate_failures(work, this_machine(1), rates, [seed], Rules(restart_hours=0))
        for seed in range(50)
    ]
    delays = [r.makespan_hours.mean - 20 for r in results]
    assert min(delays) == pytest.approx(0)
    assert all(d <= 0.5 * r.interruptions.mean for d, r in zip(delays, results, strict=True))
    assert any(r.interruptions.mean > 0 and d < 1e-9 for d, r in zip(delays, results, strict=True))


def test_restarts_after_time_limits_are_not_lost_to_failures() -> None:
    rates = FailureRates(node_mtbf_hours=math.inf)
    rules = Rules(restart_hours=0.5)
    result = simulate_failures([task("a", hours=9)], nodes(1, max_hours=4), rates, [0], rules)
    assert result.makespan_hours.mean == 10
    assert result.lost_device_hours.p95 == 0
    assert result.productive_share.mean == pytest.approx(0.9)


@pytest.mark.parametrize("preemptions", [0.0, 0.5])
def test_every_restart_is_either_lost_or_made_by_a_time_limit(preemptions: float) -> None:
    work, restart, limit = [task("a", hours=30)], 0.5, 4
    rates = FailureRates(
        node_mtbf_hours=5 if preemptions == 0 else math.inf, preemptions_per_job_hour=preemptions
    )
    after_limits: set[int] = set()
    for seed in range(40):
        capacity, rules = nodes(1, max_hours=limit), Rules(restart_hours=restart)
        result = simulate_failures(work, capacity, rates, [seed], rules)
        lost, count = result.lost_device_hours.mean, result.interruptions.mean
        restarts = (30 / result.productive_share.mean - 30 - lost) / restart
        assert restarts == pytest.approx(round(restarts), abs=1e-6)
        after_limits.add(round(restarts))
        if preemptions:
            assert 0 < lost <= count * restart + 1e-9
    assert len(after_limits) > 1


def test_a_failure_never_loses_what_a_time_limit_made_a_run_save() -> None:
    rates = FailureRates(node_mtbf_hours=10, checkpoint_interval_hours=100)
    rules = Rules(restart_hours=0)
    for seed in range(20):
        result = simulate_failures(
            [task("a", hours=20)], nodes(1, max_hours=6), rates, [seed], rules
        )
        assert result.lost_device_hours.mean <= 6 * result.interruptions.mean


@given(
    st.lists(st.tuples(st.floats(0, 20), st.integers(1, 20)), min_size=1, max_size=8),
    st.sampled_from([None, 3.0]),
)
def test_without_failures_every_course_is_the_plain_schedule(
    shapes: list[tuple[float, int]], limit: float | None
) -> None:
    work = [task(f"r{i}", hours=h, devices=d) for i, (h, d) in enumerate(shapes)]
    capacity = nodes(3, max_hours=limit)
    plain = simulate(work, capacity)
    result = simulate_failures(work, capacity, FailureRates(node_mtbf_hours=math.inf), range(2))
    assert result.makespan_hours.p5 == result.makespan_hours.p95 == plain.makespan_hours
    assert result.lost_device_hours.p95 == 0
    assert result.interruptions.p95 == 0


@given(st.integers(0, 1_000), st.floats(2, 50), st.floats(0, 0.3), st.sampled_from([None, 3.0]))
def test_lost_restarted_and_productive_hours_are_all_that_is_held(
    seed: int, mtbf: float, preemptions: float, limit: float | None
) -> None:
    work = [task("a", hours=7), task("b", "a", hours=2, devices=16), task("c", "a", hours=5)]
    rates = FailureRates(node_mtbf_hours=mtbf, preemptions_per_job_hour=preemptions)
    result = simulate_failures(work, nodes(2, max_hours=limit), rates, [seed])
    productive = sum(run.devices * run.hours for run in work)
    held = productive / result.productive_share.mean
    unproductive = held - productive
    assert 0 < result.ettr.mean <= result.productive_share.mean * (1 + 1e-9)
    assert result.lost_device_hours.mean <= unproductive * (1 + 1e-9) + 1e-9
    if limit is None:
        assert result.lost_device_hours.mean == pytest.approx(unproductive, abs=1e-6)


def test_the_same_seeds_give_the_same_distribution() -> None:
    work = [task("a", hours=20), task("b", "a", hours=5)]
    rates = FailureRates(node_mtbf_hours=10)
    first = simulate_failures(work, nodes(1), rates, range(20))
    assert first == simulate_failures(work, nodes(1), rates, range(20))
    assert first != simulate_failures(work, nodes(1), rates, range(20, 40))
    assert first.courses == 20
    assert first.makespan_hours.p5 < first.makespan_hours.p50 < first.makespan_hours.p95


def test_percentiles_are_those_of_the_courses() -> None:
    work, rates = [task("a", hours=30)], FailureRates(node_mtbf_hours=10)
    singles = sorted(
        simulate_failures(work, nodes(1), rates, [seed]).makespan_hours.mean for seed in range(21)
    )
    spread = simulate_failures(work, nodes(1), rates, range(21)).makespan_hours
    # Of 21 values, 5, 50 and 95 % are the second, the middle and the last but one.
    assert (spread.p5, spread.p50, spread.p95) == pytest.approx(
        (singles[1], singles[10], singles[19])
    )
    assert spread.mean == pytest.approx(sum(singles) / 21)


def test_a_run_that_would_never_reach_a_checkpoint_is_refused() -> None:
    rates = FailureRates(node_mtbf_hours=10, checkpoint_interval_hours=24)
    simulate_failures([task("a", hours=48, devices=8)], nodes(4), rates, [0])
    with pytest.raises(PlanError, match="4 nodes") as caught:
        simulate_failures([task("a", hours=48, devices=32)], nodes(4), rates, [0])
    assert caught.value.where == "run a: checkpoint_interval_hours"


@pytest.mark.parametrize(
    "values",
    [
        {"node_mtbf_hours": 0.0},
        {"node_mtbf_hours": math.nan},
        {"preemptions_per_job_hour": -0.1},
        {"requeue_delay_hours": -1.0},
        {"checkpoint_interval_hours": 0.0},
    ],
)
def test_rates_out_of_range_are_refused(values: dict[str, float]) -> None:
    with pytest.raises(ConfigError) as caught:
        FailureRates(**values)
    assert caught.value.where == next(iter(values))


def test_no_seed_is_refused() -> None:
    with pytest.raises(ConfigError, match="seeds"):
        simulate_failures([task("a")], nodes(1), FailureRates(), [])


def test_the_assumed_interval_is_the_one_that_training_keeps() -> None:
    assert FailureRates().checkpoint_interval_hours * 3600 == pytest.approx(CHECKPOINT_SECONDS)
