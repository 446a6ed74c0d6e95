"""Simulated schedules: closed forms, a naive scheduler beside it, and what must hold of any."""

import itertools
import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.errors import ConfigError, PlanError
from orchestrator.plan.makespan.capacity import Capacity, Pool, capacity_of, this_machine
from orchestrator.plan.makespan.job import Placement, Wait
from orchestrator.plan.makespan.makespan import Schedule, simulate
from orchestrator.plan.makespan.simulation import Order, Rules
from orchestrator.plan.makespan.work import Work, work_of
from orchestrator.plan.plan import Plan
from orchestrator.spec.profile import Gpu, Partition, Profile
from orchestrator.spec.run import Stage
from tests.orchestrator.plan.makespan.bound import lower_bound_hours

NO_RESTART = Rules(restart_hours=0.0)


def task(name: str, *needs: str, hours: float = 1.0, devices: int = 1) -> Work:
    return Work(run_id=name, label=name, needs=needs, devices=devices, hours=hours)


def cluster(
    *nodes: int,
    per_node: int = 8,
    limits: Sequence[float | None] = (None,),
    max_devices: int | None = None,
    max_jobs: int | None = None,
) -> Capacity:
    pools = tuple(
        Pool(name=f"pool{i}", nodes=count, devices_per_node=per_node, max_hours=limit)
        for i, (count, limit) in enumerate(zip(nodes, itertools.cycle(limits), strict=False))
    )
    return Capacity(pools=pools, max_devices=max_devices, max_jobs=max_jobs)


def jobs_of(schedule: Schedule, name: str) -> list[Placement]:
    return [job for job in schedule.placements if job.run_id == name]


@pytest.mark.parametrize(("runs", "devices"), [(1, 1), (7, 3), (9, 3), (10, 3), (2, 5)])
def test_equal_runs_come_in_rounds(runs: int, devices: int) -> None:
    schedule = simulate([task(f"r{i}", hours=2.5) for i in range(runs)], this_machine(devices))
    assert schedule.makespan_hours == 2.5 * math.ceil(runs / devices)
    assert schedule.device_hours == 2.5 * runs
    assert schedule.peak_devices == min(runs, devices)
    assert schedule.idle_share == pytest.approx(
        1 - runs / (devices * math.ceil(runs / devices)), abs=1e-12
    )


def test_a_line_of_runs_takes_the_sum_of_their_hours() -> None:
    line = [task("a", hours=1), task("b", "a", hours=2), task("c", "b", hours=4)]
    schedule = simulate(line, this_machine(10))
    assert schedule.makespan_hours == 7
    assert [job.start_hours for job in schedule.placements] == [0, 1, 3]
    assert schedule.idle_share == pytest.approx(0.9)


@pytest.mark.parametrize(("branches", "devices"), [(4, 4), (4, 2), (5, 2)])
def test_a_join_waits_for_every_branch_of_the_fork(branches: int, devices: int) -> None:
    names = [f"b{i}" for i in range(branches)]
    fork = [
        task("root", hours=3),
        *(task(name, "root", hours=2) for name in names),
        task("join", *names, hours=1),
    ]
    schedule = simulate(fork, this_machine(devices))
    assert schedule.makespan_hours == 3 + 2 * math.ceil(branches / devices) + 1


def test_nothing_to_do_takes_no_time() -> None:
    schedule = simulate([], this_machine(2))
    assert (schedule.makespan_hours, schedule.idle_share) == (0, 0)
    assert schedule.critical_path == ()


def test_the_longest_line_goes_first_unless_the_plans_order_is_asked_for() -> None:
    work = [task("a"), task("b"), task("long", hours=2)]
    assert simulate(work, this_machine(2)).makespan_hours == 2
    in_order = simulate(work, this_machine(2), Rules(order=Order.PLAN))
    assert in_order.makespan_hours == 3
    assert in_order.placements[0].run_id == "a"


def test_what_follows_a_run_counts_for_its_turn() -> None:
    work = [task("alone", hours=3), task("first", hours=1), task("then", "first", hours=4)]
    schedule = simulate(work, this_machine(1))
    assert [job.run_id for job in schedule.placements] == ["first", "then", "alone"]


@pytest.mark.parametrize(
    ("hours", "limit", "restart", "jobs"),
    [(4, 4, 0.5, 1), (9, 4, 0.0, 3), (9, 4, 0.5, 3), (11, 4, 0.5, 3), (11.2, 4, 0.5, 4)],
)
def test_a_run_longer_than_the_time_limit_goes_on_in_further_jobs(
    hours: float, limit: float, restart: float, jobs: int
) -> None:
    capacity = cluster(1, limits=[limit])
    schedule = simulate([task("a", hours=hours)], capacity, Rules(restart_hours=restart))
    assert [job.job for job in schedule.placements] == list(range(1, jobs + 1))
    assert schedule.makespan_hours == pytest.approx(hours + (jobs - 1) * restart)
    assert all(job.end_hours - job.start_hours <= limit for job in schedule.placements)
    [pool] = capacity.pools
    assert pool.jobs(hours, restart) == jobs
    assert pool.chain_hours(hours, restart) == pytest.approx(schedule.makespan_hours)
    [step] = schedule.critical_path
    assert (step.start_hours, step.end_hours) == (0, schedule.makespan_hours)


def test_rounding_makes_no_further_job() -> None:
    # Ten times 0.1 is a little less than 1.0 in floating point.
    schedule = simulate([task("a", hours=1.0)], cluster(1, limits=[0.1]), NO_RESTART)
    assert len(schedule.placements) == 10


def test_small_runs_share_a_node_and_leave_whole_nodes_to_the_wide() -> None:
    work = [*(task(f"s{i}", hours=2, devices=2) for i in range(4)), task("wide", devices=8)]
    schedule = simulate(work, cluster(2), Rules(order=Order.PLAN))
    assert [job.start_hours for job in schedule.placements] == [0] * 5
    [wide] = jobs_of(schedule, "wide")
    assert {job.nodes for job in schedule.placements} - {wide.nodes} == {(0,)}


def test_a_wide_run_needs_nodes_that_are_free_altogether() -> None:
    # Eleven of sixteen devices are free, but no node.
    work = [task("five", devices=5, hours=1), task("four", devices=4, hours=3)]
    schedule = simulate([*work, task("wide", devices=8)], cluster(2), Rules(order=Order.PLAN))
    [wide] = jobs_of(schedule, "wide")
    assert wide.start_hours == 1


def test_whole_nodes_are_held_and_what_is_left_of_them_is_idle() -> None:
    schedule = simulate([task("a", devices=12, hours=2)], cluster(2))
    assert schedule.placements[0].devices == schedule.peak_devices == 16
    assert schedule.device_hours == 32
    assert schedule.idle_share == pytest.approx(0.25)


@pytest.mark.parametrize(
    ("devices", "capacity", "most"),
    [
        (3, this_machine(2), "at most 2 "),
        (17, cluster(2), "at most 16 "),
        (24, cluster(2, 2), "at most 16 "),  # no job spans partitions
        (9, cluster(4, max_devices=12), "at most 8 "),  # two whole nodes would be 16
        (6, cluster(4, max_devices=5), "at most 5 "),
    ],
)
def test_a_run_wider_than_the_capacity_is_refused(
    devices: int, capacity: Capacity, most: str
) -> None:
    with pytest.raises(PlanError, match=most) as caught:
        simulate([task("ok"), task("wide", devices=devices)], capacity)
    assert caught.value.where == "run wide: devices"


def test_a_time_limit_within_which_no_work_is_done_is_refused() -> None:
    with pytest.raises(PlanError, match=r"0\.5 hours") as caught:
        simulate([task("a", hours=9)], cluster(1, limits=[0.5]), Rules(restart_hours=0.5))
    assert caught.value.where == "run a: hours"


def test_a_negative_restart_and_an_endless_run_are_refused() -> None:
    with pytest.raises(ConfigError, match="restart_hours"):
        Rules(restart_hours=-1)
    with pytest.raises(ConfigError, match="inf"):
        task("a", hours=math.inf)


def test_short_runs_spare_the_partition_with_the_long_limit() -> None:
    work = [task("short", devices=8, hours=1), task("long", devices=8, hours=30)]
    schedule = simulate(work, cluster(1, 1, limits=[48, 24]), Rules(order=Order.PLAN))
    assert [(job.run_id, job.pool) for job in schedule.placements] == [
        ("short", "pool1"),
        ("long", "pool0"),
    ]
    assert schedule.makespan_hours == 30


def test_a_long_run_goes_on_in_another_partition_when_its_own_is_full() -> None:
    work = [task("a", devices=8, hours=30), task("b", devices=8, hours=30)]
    schedule = simulate(work, cluster(1, 1, limits=[48, 24]), Rules(restart_hours=0.5))
    assert [(job.pool, job.job) for job in jobs_of(schedule, "b")] == [("pool1", 1), ("pool1", 2)]
    assert schedule.makespan_hours == 30.5


def test_the_restart_counts_when_the_rest_of_a_run_is_placed() -> None:
    # 5.8 hours are left after the first job: less than the other partition's 6, but for a restart.
    run = task("a", devices=8, hours=17.8)
    schedule = simulate([run], cluster(1, 1, limits=[12, 6]), Rules(restart_hours=0.5))
    assert [job.pool for job in schedule.placements] == ["pool0", "pool0"]


def test_a_partition_whose_limit_costs_too_many_restarts_is_not_used() -> None:
    work = [task("a", devices=8, hours=30), task("b", devices=8, hours=30)]
    schedule = simulate(work, cluster(1, 1, limits=[48, 1]), Rules(restart_hours=0.5))
    assert {job.pool for job in schedule.placements} == {"pool0"}
    assert schedule.makespan_hours == 60


def test_limits_on_devices_and_jobs_hold_over_all_partitions() -> None:
    work = [task(f"r{i}", devices=4) for i in range(8)]
    assert simulate(work, cluster(2, 2)).makespan_hours == 1
    few_devices = simulate(work, cluster(2, 2, max_devices=16))
    assert (few_devices.makespan_hours, few_devices.peak_devices) == (2, 16)
    assert few_devices.idle_share == 0
    assert simulate(work, cluster(2, 2, max_jobs=3)).makespan_hours == 3


def test_the_critical_path_says_what_each_run_waited_for() -> None:
    work = [
        task("a", hours=2),
        task("b", "a", hours=3),
        task("c", "b", hours=2),
        task("other", hours=1),
        task("last", hours=4),  # behind in the queue: 7 hours follow `a`
    ]
    schedule = simulate(work, this_machine(1))
    assert [(s.run_id, s.waited, s.waited_for) for s in schedule.critical_path] == [
        ("a", Wait.NOTHING, None),
        ("b", Wait.PARENT, "a"),
        ("last", Wait.DEVICES, "b"),
        ("c", Wait.DEVICES, "last"),
        ("other", Wait.DEVICES, "c"),
    ]


def test_a_profile_gives_its_partitions_and_limits() -> None:
    profile = Profile(
        profile="here",
        about="a test",
        gpu=Gpu(name="A100", memory_gib=80, peak_teraflops=312),
        gpus_per_node=4,
        partitions=(Partition(name="short", nodes=3, max_hours=2), Partition(name="any", nodes=1)),
        max_gpus=12,
        max_jobs=5,
    )
    capacity = capacity_of(profile)
    assert [(pool.name, pool.nodes, pool.max_hours) for pool in capacity.pools] == [
        ("short", 3, 2),
        ("any", 1, None),
    ]
    assert capacity.devices == profile.gpus == 12
    assert simulate([task(f"r{i}", devices=4) for i in range(4)], capacity).makespan_hours == 2
    assert simulate([task(f"r{i}") for i in range(6)], capacity).makespan_hours == 2


def test_the_work_of_a_plan_has_its_costs_and_its_trunks(
    tree: dict[str, Any], plan_tree: Callable[[dict[str, Any]], Plan]
) -> None:
    plan = plan_tree(tree)
    work = work_of(plan)
    assert [run.run_id for run in work] == [run.run_id for run in plan.runs]
    assert [run.hours for run in work] == [run.cost.wall_hours for run in plan.runs]
    milestones = {run.run_id for run in work if run.is_milestone}
    assert milestones == {run.run_id for run in plan.runs if run.stage is Stage.TEXT_PRETRAIN}
    models = {run.run_id for run in work if run.is_model}
    assert models == {run.run_id for run in plan.runs if run.stage is Stage.FINETUNE}
    schedule = simulate(work, this_machine(2))
    assert schedule.makespan_hours >= lower_bound_hours(work, this_machine(2))


def test_the_work_of_a_plan_says_which_runs_may_go_back(
    tree: dict[str, Any], plan_tree: Callable[[dict[str, Any]], Plan]
) -> None:
    tree["stages"]["finetune"]["optimizer"] = {"guard": {"bad_step": "rewind"}}
    plan = plan_tree(tree)
    stages = {run.stage for run, work in zip(plan.runs, work_of(plan), strict=True) if work.rewinds}
    assert stages == {Stage.FINETUNE}


@st.composite
def graphs(draw: st.DrawFn, widest: int = 1, shortest: float = 0.0) -> list[Work]:
    """Up to 25 runs in which each may need some of those before it."""
    count = draw(st.integers(1, 25))
    hours = st.sampled_from([shortest, 0.5, 1.0, 1.7, 3.0, 10.0])
    work: list[Work] = []
    for place in range(count):
        needs = draw(st.sets(st.integers(0, place - 1), max_size=3)) if place else set()
        work.append(
            task(
                f"r{place}",
                *(f"r{need}" for need in sorted(needs)),
                hours=draw(hours),
                devices=draw(st.integers(1, widest)),
            )
        )
    return work


@st.composite
def clusters(draw: st.DrawFn) -> Capacity:
    pools = draw(st.integers(1, 3))
    return cluster(
        *(draw(st.integers(2, 4)) for _ in range(pools)),
        per_node=4,
        limits=[draw(st.sampled_from([None, 1.0, 2.5])) for _ in range(pools)],
        max_devices=draw(st.sampled_from([None, 8, 13])),
        max_jobs=draw(st.sampled_from([None, 1, 3])),
    )


def naive_starts(work: Sequence[Work], devices: int) -> dict[str, float]:
    """Schedule single-device runs by looking through all of them after every end."""
    below: dict[str, float] = {}
    for run in reversed(work):
        after = [below[other.run_id] for other in work if run.run_id in other.needs]
        below[run.run_id] = run.hours + max(after, default=0.0)
    starts: dict[str, float] = {}
    ends: dict[str, float] = {}
    now = 0.0
    while len(starts) < len(work):
        ready = [
            run
            for run in work
            if run.run_id not in starts and all(ends.get(n, math.inf) <= now for n in run.needs)
        ]
        busy = sum(end > now for end in ends.values())
        if ready and busy < devices:
            run = max(ready, key=lambda r: below[r.run_id])
            starts[run.run_id], ends[run.run_id] = now, now + run.hours
        else:
            now = min(end for end in ends.values() if end > now)
    return starts


@given(graphs(shortest=0.1), st.integers(1, 5))
def test_single_device_runs_start_when_a_naive_scheduler_starts_them(
    work: list[Work], devices: int
) -> None:
    schedule = simulate(work, this_machine(devices))
    starts = {job.run_id: job.start_hours for job in schedule.placements}
    assert starts == naive_starts(work, devices)


@given(graphs(), st.integers(1, 5))
def test_single_device_runs_take_at_most_twice_the_lower_bound(
    work: list[Work], devices: int
) -> None:
    capacity = this_machine(devices)
    bound = lower_bound_hours(work, capacity)
    makespan = simulate(work, capacity).makespan_hours
    assert bound * (1 - 1e-9) <= makespan <= 2 * bound * (1 + 1e-9)


@given(graphs(widest=8), clusters(), st.sampled_from(Order))
def test_no_schedule_breaks_a_rule(work: list[Work], capacity: Capacity, order: Order) -> None:
    schedule = simulate(work, capacity, Rules(restart_hours=0.25, order=order))
    check_every_job_has_room(schedule, capacity)
    for run in work:
        jobs = jobs_of(schedule, run.run_id)
        assert [job.job for job in jobs] == list(range(1, len(jobs) + 1))
        for before, after in itertools.pairwise(jobs):
            assert before.end_hours <= after.start_hours
        for need in run.needs:
            assert jobs_of(schedule, need)[-1].end_hours <= jobs[0].start_hours
        worked = sum(j.end_hours - j.start_hours for j in jobs) - 0.25 * (len(jobs) - 1)
        assert worked == pytest.approx(run.hours)
    assert schedule.makespan_hours >= lower_bound_hours(work, capacity) * (1 - 1e-9)
    assert 0 <= schedule.idle_share <= 1


@given(graphs(widest=8), clusters())
def test_the_critical_path_leads_from_the_start_to_the_end_without_a_gap(
    work: list[Work], capacity: Capacity
) -> None:
    schedule = simulate(work, capacity)
    path = schedule.critical_path
    assert path[0].start_hours == 0
    assert (path[0].waited, path[0].waited_for) == (Wait.NOTHING, None)
    assert path[-1].end_hours == schedule.makespan_hours
    needs = {run.run_id: run.needs for run in work}
    for before, step in itertools.pairwise(path):
        assert before.end_hours == step.start_hours
        assert step.waited_for == before.run_id
        assert (before.run_id in needs[step.run_id]) or step.waited is not Wait.PARENT


def check_every_job_has_room(schedule: Schedule, capacity: Capacity) -> None:
    """Add up, at every instant, what jobs hold of each node and of the limits."""
    pools = {pool.name: pool for pool in capacity.pools}
    for now in {job.start_hours for job in schedule.placements}:
        live = [j for j in schedule.placements if j.start_hours <= now < j.end_hours]
        held: dict[tuple[str, int], int] = defaultdict(int)
        for job in live:
            assert job.devices % len(job.nodes) == 0
            assert len(set(job.nodes)) == len(job.nodes)
            for node in job.nodes:
                assert 0 <= node < pools[job.pool].nodes
                held[job.pool, node] += job.devices // len(job.nodes)
        assert all(devices <= 4 for devices in held.values())
        assert sum(job.devices for job in live) <= capacity.devices
        assert len(live) <= (capacity.max_jobs or len(live))
    for job in schedule.placements:
        limit = pools[job.pool].max_hours
        assert limit is None or job.end_hours - job.start_hours <= limit * (1 + 1e-9)
