"""Disk taken by checkpoints, counted by hand and against a day-by-day inventory."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.training.standing import ANCHORS_KEPT, CHECKPOINTS_KEPT
from orchestrator.plan.makespan.capacity import Capacity, Pool, this_machine
from orchestrator.plan.makespan.makespan import simulate
from orchestrator.plan.makespan.simulation import Order, Rules
from orchestrator.plan.makespan.storage import (
    CHECKPOINTS_TO_REWIND_TO,
    CHECKPOINTS_WHILE_RUNNING,
    Storage,
    storage,
)
from orchestrator.plan.makespan.work import Work
from orchestrator.spec.launch import Keep

RUNNING = CHECKPOINTS_WHILE_RUNNING


def task(
    name: str, *needs: str, size: int = 0, milestone: bool = False, model: bool = False
) -> Work:
    return Work(
        run_id=name,
        label=name,
        needs=needs,
        devices=1,
        hours=1,
        checkpoint_bytes=size,
        is_milestone=milestone,
        is_model=model,
    )


# A trunk of two segments; a branch and its fine-tune from the first; two evaluations.
STUDY = [
    task("trunk_1", size=30, milestone=True),
    task("trunk_2", "trunk_1", size=30, milestone=True),
    task("branch", "trunk_1", size=60),
    task("model", "branch", size=60, model=True),
    task("score_1", "model"),
    task("score_2", "model"),
]


@pytest.mark.parametrize(
    ("keep", "end"),
    [
        (Keep.NEEDED, 20),  # the model's weights
        (Keep.MILESTONES, 30 + 30 + 20),
        (Keep.ALL, 30 + 30 + 20 + 20),  # and the branch's weights
    ],
)
def test_what_stays_is_what_the_policy_says(keep: Keep, end: int) -> None:
    assert storage(STUDY, None, keep).end_bytes == end
    assert storage(STUDY, simulate(STUDY, this_machine(2)), keep).end_bytes == end


@pytest.mark.parametrize(
    ("keep", "beside", "hour"),
    [
        (Keep.NEEDED, 30, 2.0),  # the branch, beside the segment that it reads
        (Keep.MILESTONES, 30 + 30 + 20, 3.0),  # the model, beside the trunk and the branch
        (Keep.ALL, 30 + 30 + 20, 3.0),
    ],
)
def test_the_peak_is_where_most_lies_on_disk(keep: Keep, beside: int, hour: float) -> None:
    found = storage(STUDY, None, keep)
    assert (found.peak_bytes, found.peak_hours) == (beside + RUNNING * 60, hour)


def test_a_checkpoint_stays_until_the_last_run_that_reads_it_is_done() -> None:
    # The first segment goes when the branch is done, at 3, not when the second segment is, at 2.
    during_branch = storage(STUDY[:3], None, Keep.NEEDED)
    assert during_branch.peak_bytes == 30 + RUNNING * 60
    assert during_branch.peak_hours == 2.0
    assert during_branch.end_bytes == 0


def test_runs_at_once_take_more_disk_than_one_after_the_other() -> None:
    work = [task(f"r{i}", size=30, model=True) for i in range(3)]
    assert storage(work, None, Keep.NEEDED).peak_bytes == 2 * 10 + RUNNING * 30
    together = storage(work, simulate(work, this_machine(3)), Keep.NEEDED)
    assert together.peak_bytes == 3 * RUNNING * 30
    assert together.peak_hours == 0


def test_a_run_keeps_its_checkpoints_between_its_jobs() -> None:
    capacity = Capacity(pools=(Pool(name="p", nodes=1, devices_per_node=1, max_hours=0.5),))
    schedule = simulate([task("a", size=30), task("b")], capacity, Rules(order=Order.PLAN))
    assert len(schedule.placements) > 2
    found = storage([task("a", size=30), task("b")], schedule, Keep.NEEDED)
    assert (found.peak_bytes, found.peak_hours) == (RUNNING * 30, 0)


def test_runs_without_checkpoints_take_none() -> None:
    assert storage([task("a"), task("b", "a")], None, Keep.ALL) == Storage(
        keep=Keep.ALL, end_bytes=0, peak_bytes=0, peak_hours=0.0
    )


def test_a_running_run_is_counted_with_what_training_keeps_and_writes() -> None:
    assert CHECKPOINTS_WHILE_RUNNING == CHECKPOINTS_KEPT + 1
    assert CHECKPOINTS_TO_REWIND_TO == ANCHORS_KEPT


def test_a_run_that_may_go_back_keeps_checkpoints_for_it() -> None:
    rewinding = [replace(task("a", size=30), rewinds=True), task("b")]
    assert storage(rewinding, None, Keep.NEEDED).peak_bytes == (RUNNING + 2) * 30


@st.composite
def studies(draw: st.DrawFn) -> list[Work]:
    work: list[Work] = []
    for place in range(draw(st.integers(1, 15))):
        needs = draw(st.sets(st.integers(0, place - 1), max_size=2)) if place else set()
        work.append(
            Work(
                run_id=f"r{place}",
                label=f"r{place}",
                needs=tuple(f"r{need}" for need in sorted(needs)),
                devices=1,
                hours=draw(st.integers(1, 4)),
                checkpoint_bytes=3 * draw(st.integers(0, 5)),
                is_milestone=draw(st.booleans()),
                is_model=draw(st.booleans()),
            )
        )
    return work


@given(studies(), st.integers(1, 4), st.sampled_from(Keep))
def test_the_peak_is_that_of_an_inventory_hour_by_hour(
    work: list[Work], devices: int, keep: Keep
) -> None:
    schedule = simulate(work, this_machine(devices))
    found = storage(work, schedule, keep)
    start = {job.run_id: job.start_hours for job in schedule.placements}
    end = {job.run_id: job.end_hours for job in schedule.placements}

    def inventory(hour: float) -> int:
        total = 0
        for run in work:
            readers = [other.run_id for other in work if run.run_id in other.needs]
            weights = run.checkpoint_bytes // 3
            left = run.checkpoint_bytes if run.is_milestone else weights
            read = any(hour < end[reader] for reader in readers)
            stays = keep is Keep.ALL or (keep is Keep.MILESTONES and run.is_milestone)
            if start[run.run_id] <= hour < end[run.run_id]:
                total += RUNNING * run.checkpoint_bytes
            elif hour >= end[run.run_id] and (read or stays):
                total += left
            elif hour >= end[run.run_id] and run.is_model:
                total += weights
        return total

    hours = range(math.ceil(schedule.makespan_hours) + 1)
    counted = [inventory(hour) for hour in hours]
    assert found.end_bytes == counted[-1]
    assert found.peak_bytes == max(counted)
    assert found.peak_hours == counted.index(max(counted))
