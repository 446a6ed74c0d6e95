"""A launch from its claim on the study's folder to its end; and the same without doing anything."""

import os
import signal
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from orchestrator.errors import LaunchError
from orchestrator.launch.disk import full_disk_named
from orchestrator.launch.lock import launch_lock, lock_holder
from orchestrator.launch.loop import Loop, Outcome
from orchestrator.launch.slurm.ids import JobTask
from orchestrator.launch.slurm.look import Asked, look
from orchestrator.launch.slurm.real import RealSlurm
from orchestrator.launch.states import Moment, observe
from orchestrator.launch.submit import Place
from orchestrator.launch.watcher import Watcher
from orchestrator.plan.actions import Action, decide
from orchestrator.plan.limits import Limits
from orchestrator.plan.observed import Observed
from orchestrator.plan.plan import Plan
from orchestrator.spec.slurm_site import SlurmSite
from orchestrator.store.layout import StudyFolder
from orchestrator.store.plan_file import write_plan
from orchestrator.store.records import claim_study
from orchestrator.worker.process import host_name, process_start

_LEAVE_SECONDS = 10.0
"""How long another launcher may take to leave."""


def launch_study(
    plan: Plan,
    place: Place,
    watcher: Watcher,
    *,
    prepare: Callable[[], object],
    leaving: AbstractContextManager[Callable[[], bool]],
) -> Outcome:
    """Launch a plan and stay until nothing is left to do, or until told to leave.

    Args:
        plan: the runs.
        place: where they go.
        watcher: is told what happens.
        prepare: makes the data; called before the first run if there is anything to run.
        leaving: entered before the first run; gives a function that tells whether to leave now.

    Raises:
        RecordError: if the results folder is another study's.
        LaunchError: if another launcher works on the study, the disk is full, or the backend fails.
    """
    with full_disk_named(place.folder.path):
        claim_study(place.folder, plan.study)
        with launch_lock(place.folder, _now()):
            write_plan(place.folder, plan)
            loop = Loop(plan, place, watcher, now=_now)
            _check_here(place.folder, loop.overview().observed)
            if loop.has_work() and not place.config.stop:
                prepare()
            with leaving as interrupted:
                return loop.run(interrupted)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """Where a study stands, and what a launch would do now."""

    plan: Plan
    """The runs."""
    actions: tuple[Action, ...]
    """What comes next, for each."""
    observed: dict[str, Observed]
    """Where each stands."""
    jobs: dict[str, JobTask]
    """Jobs of those that a cluster has."""


def outlook(plan: Plan, folder: StudyFolder, limits: Limits) -> Outlook:
    """Return what a launch would do now, and where each run stands. Writes nothing.

    If a cluster has jobs of the study, it is asked about them.
    """
    now = _now()
    moment = Moment(now=now, since=now)
    if not folder.submissions.is_dir():
        observed, jobs = observe(folder, plan, moment), {}
    else:
        asked = Asked(folder=folder, scheduler=RealSlurm(SlurmSite()), requeue=SlurmSite().requeue)
        picture = look(asked, plan, moment, write=False)
        observed, jobs = picture.observed, picture.jobs
        limits = replace(limits, ahead=True, attended=False)
    actions = decide(plan, observed, limits)
    return Outlook(plan=plan, actions=actions, observed=observed, jobs=jobs)


def _check_here(folder: StudyFolder, observed: Mapping[str, Observed]) -> None:
    """Make sure that no cluster has runs of the study: this machine cannot tell how they go."""
    there = sum(seen.on_cluster for seen in observed.values())
    if there:
        raise LaunchError(
            f"a cluster has {there} of the study's runs",
            str(folder.submissions),
            "launch with --profile, which asks it; or end them first: sweep cancel",
        )


def end_other_launcher(folder: StudyFolder) -> None:
    """Ask the launcher that works on a study, if there is one, to leave, and wait until it has.

    Raises:
        LaunchError: if it is on another machine, or does not leave.
    """
    holder = lock_holder(folder)
    if holder is None:
        return
    if holder.host != host_name():
        raise LaunchError(
            f"the study is being launched on {holder.host} (process {holder.pid})",
            str(folder.lock),
            "stop it there",
        )
    if process_start(holder.pid) == holder.process_start:
        os.kill(holder.pid, signal.SIGTERM)
    deadline = time.monotonic() + _LEAVE_SECONDS
    while lock_holder(folder) is not None:
        if time.monotonic() > deadline:
            raise LaunchError(
                f"the launcher (process {holder.pid}) does not leave",
                str(folder.lock),
                f"end it by hand: kill -9 {holder.pid}; its runs go on and nothing is lost",
            )
        time.sleep(0.05)


def _now() -> datetime:
    return datetime.now(UTC)
