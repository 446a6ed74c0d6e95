"""Estimates of what is left, and the sums that calibrate the next plan."""

from typing import TYPE_CHECKING

import pytest

from orchestrator.launch.eta import eta_seconds
from orchestrator.launch.usage import Timed, add_usage
from orchestrator.plan.observed import Observed, State
from orchestrator.store.usage import measured_throughput

if TYPE_CHECKING:
    from tests.orchestrator.launch.conftest import Toy

PLANNED, DONE = Observed(state=State.PLANNED), Observed(state=State.DONE)


def test_nothing_is_left_of_a_finished_study(toy: "Toy") -> None:
    seen = {run.run_id: DONE for run in toy.plan.runs}
    assert eta_seconds(toy.plan, seen, {}, (), 2) == 0


def test_work_is_shared_by_slots_but_a_line_takes_its_time(toy: "Toy") -> None:
    seen = {run.run_id: PLANNED for run in toy.plan.runs}
    work = sum(run.cost.device_hours for run in toy.plan.runs) * 3600
    assert eta_seconds(toy.plan, seen, {}, (), 1) == pytest.approx(work)
    assert eta_seconds(toy.plan, seen, {}, (), 2) == pytest.approx(work / 2)
    many = eta_seconds(toy.plan, seen, {}, (), 1000)
    assert work / 1000 < many < work / 2
    assert eta_seconds(toy.plan, seen, {}, (), None) == pytest.approx(many)


def test_what_finished_runs_took_scales_what_is_left(toy: "Toy") -> None:
    first, second = toy.of_stage("evaluate")[:2]
    seen = {run.run_id: DONE for run in toy.plan.runs} | {second.run_id: PLANNED}
    planned = first.cost.device_hours * 3600
    slow = (Timed(run=first, seconds=planned * 10),)
    before = eta_seconds(toy.plan, seen, {}, (), 1)
    after = eta_seconds(toy.plan, seen, {}, slow, 1)
    half = eta_seconds(toy.plan, seen, {second.run_id: 0.5}, slow, 1)
    assert after == pytest.approx(10 * before)
    assert half == pytest.approx(after / 2)


def test_usage_is_added_up_over_launches_without_evaluations(toy: "Toy") -> None:
    toy.folder.path.mkdir(parents=True)
    trained, asked = toy.of_stage("finetune")[0], toy.of_stage("evaluate")[0]
    timed = (Timed(run=trained, seconds=2.0), Timed(run=asked, seconds=99.0))
    add_usage(toy.folder, timed)
    add_usage(toy.folder, timed[:1])
    measured = measured_throughput(toy.folder)
    assert measured is not None
    assert measured.at(1) == pytest.approx(trained.cost.flops / 2)
    assert "2 finished runs" in measured.source


def test_a_launch_without_finished_training_leaves_no_usage(toy: "Toy") -> None:
    add_usage(toy.folder, ())
    assert measured_throughput(toy.folder) is None
