"""A launch on a cluster, from its claim on the study's folder to its end; and a dry one."""

import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime

from orchestrator.launch.disk import full_disk_named
from orchestrator.launch.lock import launch_lock
from orchestrator.launch.loop import Outcome
from orchestrator.launch.slurm.arrays import Batch, in_waves
from orchestrator.launch.slurm.asks import asks_for
from orchestrator.launch.slurm.cluster import Cluster
from orchestrator.launch.slurm.compose import Composed, compose
from orchestrator.launch.slurm.ids import JobTask
from orchestrator.launch.slurm.look import look
from orchestrator.launch.slurm.rounds import Rounds, Timing, limits_now
from orchestrator.launch.states import Moment
from orchestrator.launch.watcher import Watcher
from orchestrator.plan.actions import Action, Verb, decide
from orchestrator.plan.observed import Observed
from orchestrator.plan.plan import Plan
from orchestrator.store.plan_file import write_plan
from orchestrator.store.records import claim_study

_STEP_SECONDS = 0.2
"""Longest time in which an interruption has to wait."""


def launch_on_cluster(
    plan: Plan,
    cluster: Cluster,
    watcher: Watcher,
    *,
    prepare: Callable[[], object],
    leaving: AbstractContextManager[Callable[[], bool]],
    stay: bool,
) -> Outcome:
    """Submit what can be submitted, and leave, or stay until nothing is left to do.

    Args:
        plan: the runs.
        cluster: where they go.
        watcher: is told what happens.
        prepare: makes the data; called before the first submission, if there is anything to run.
        leaving: entered before the first submission; gives a function that tells whether to leave.
        stay: whether to make further rounds.

    Raises:
        RecordError: if the results folder is another study's.
        LaunchError: if another launcher works on the study, the disk is full, or Slurm refuses.
    """
    with full_disk_named(cluster.folder.path):
        claim_study(cluster.folder, plan.study)
        with launch_lock(cluster.folder, _now()):
            write_plan(cluster.folder, plan)
            with leaving as interrupted:
                rounds = Rounds(plan, cluster, watcher, _timing(interrupted))
                if rounds.has_work() and not cluster.config.stop:
                    prepare()
                return rounds.run(interrupted, stay=stay)


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What a launch would do now."""

    actions: tuple[Action, ...]
    """About each run."""
    observed: dict[str, Observed]
    """Where each run stands."""
    submissions: tuple[Composed, ...]
    """The arrays, with their scripts; tokens and the numbers they wait for are made up."""


def preview_on_cluster(plan: Plan, cluster: Cluster) -> Preview:
    """Return what a launch would do now. Writes nothing, submits nothing."""
    now = _now()
    limits = cluster.scheduler.limits()
    picture = look(cluster.asked, plan, Moment(now=now, since=now), write=False)
    actions = decide(plan, picture.observed, limits_now(cluster, limits, picture, now))
    submissions = _rehearsed(
        plan, cluster, [a for a in actions if a.verb is Verb.SUBMIT], dict(picture.placed)
    )
    return Preview(actions=actions, observed=picture.observed, submissions=submissions)


def _rehearsed(
    plan: Plan, cluster: Cluster, actions: Sequence[Action], placed: dict[str, JobTask]
) -> tuple[Composed, ...]:
    """Compose the arrays as if Slurm gave them the numbers 1, 2, 3."""
    device, size = cluster.config.execution.device, cluster.scheduler.limits().max_array_size
    asks = asks_for(plan, actions, cluster.profile, device)
    found: list[Composed] = []

    def rehearse(batch: Batch) -> dict[str, JobTask]:
        number = len(found) + 1
        attempts = dict.fromkeys((name for _, name in batch.tasks), 1)
        found.append(compose(cluster, batch, f"{number:032x}", attempts, _now()))
        return {name: JobTask(job_id=number, task=index) for index, name in batch.tasks}

    in_waves(asks, placed, size, rehearse)
    return tuple(found)


def _timing(interrupted: Callable[[], bool]) -> Timing:
    pause = threading.Event()

    def sleep(seconds: float) -> bool:
        left = seconds
        while left > 0 and not interrupted():
            pause.wait(min(_STEP_SECONDS, left))
            left -= _STEP_SECONDS
        return interrupted()

    return Timing(now=_now, sleep=sleep)


def _now() -> datetime:
    return datetime.now(UTC)
