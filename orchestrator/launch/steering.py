"""Steer runs by hand: cancel, pause, resume, try again. Wishes are files; launches obey them.

What is under way is told at once: processes of this machine by a signal, jobs of a cluster by its
own commands. Nothing is lost: a run that is told to leave saves first.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from orchestrator.errors import ConfigError
from orchestrator.launch.leaving import ask_to_leave
from orchestrator.launch.session import Outlook
from orchestrator.launch.slurm.ids import JobTask
from orchestrator.launch.slurm.real import job_name
from orchestrator.launch.slurm.scheduler import Scheduler
from orchestrator.launch.submit import record_of
from orchestrator.plan.observed import LIVE, Observed, State, Wish
from orchestrator.plan.plan import Plan, PlannedRun
from orchestrator.store.layout import RunFolder, StudyFolder
from orchestrator.store.records import write_run
from orchestrator.store.versioned import timestamp
from orchestrator.store.wishes import Wished, read_wish, remove_wish, write_wish


class Order(StrEnum):
    """What a person can tell runs."""

    CANCEL = "cancel"
    """Save and end; do not start again until `retry`."""
    RETRY = "retry"
    """Go on, whatever happened before."""
    PAUSE = "pause"
    """Do not start; what runs goes on."""
    RESUME = "resume"
    """Start again what was paused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which runs are meant: those that fit each of the given kinds."""

    run_ids: tuple[str, ...] = ()
    """Names of runs, or how they begin; empty for any."""
    arms: tuple[str, ...] = ()
    """Arms that they serve; empty for any."""
    states: tuple[State, ...] = ()
    """States in which they are; empty for any."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a run was told."""

    run_id: str
    """The run."""
    state: State
    """Where it stood."""
    done: str
    """What was done, for people."""


def select(
    plan: Plan, observed: Mapping[str, Observed], selection: Selection
) -> tuple[PlannedRun, ...]:
    """Return the unfinished runs that are meant, in the plan's order.

    Raises:
        ConfigError: if a name or an arm is none of the plan's, or nothing was selected by.
    """
    if not (selection.run_ids or selection.arms or selection.states):
        raise ConfigError(
            "no run is named", "RUN", "give run_ids, --arm or --state; --state with each of several"
        )
    _check_known(plan, selection)
    return tuple(
        run
        for run in plan.runs
        if observed[run.run_id].state is not State.DONE
        and (not selection.run_ids or run.run_id.startswith(selection.run_ids))
        and (not selection.arms or set(selection.arms) & set(run.arms))
        and (not selection.states or observed[run.run_id].state in selection.states)
    )


def _check_known(plan: Plan, selection: Selection) -> None:
    for name in selection.run_ids:
        if not any(run.run_id.startswith(name) for run in plan.runs):
            raise ConfigError(
                f"no run of {plan.study} begins with {name!r}",
                "RUN",
                "sweep status --json lists them",
            )
    arms = {arm for run in plan.runs for arm in run.arms}
    for arm in selection.arms:
        if arm not in arms:
            raise ConfigError(
                f"there is no arm {arm!r}", "--arm", f"one of: {', '.join(sorted(arms))}"
            )


def steer(
    order: Order,
    runs: Sequence[PlannedRun],
    outlook: Outlook,
    *,
    folder: StudyFolder,
    scheduler: Scheduler,
    now: datetime,
) -> tuple[Told, ...]:
    """Give an order to runs: write it down, and tell those under way.

    Args:
        order: what they are told.
        runs: which.
        outlook: where the study stands.
        folder: its results.
        scheduler: tells jobs, if any run has one.
        now: the present.

    Raises:
        RecordError: if a run's folder cannot be trusted.
    """
    told: list[Told] = []
    waiting: list[JobTask] = []
    running: list[JobTask] = []
    for run in runs:
        run_folder, seen = folder.run(run.run_id), outlook.observed[run.run_id]
        write_run(run_folder, record_of(outlook.plan.study, run))
        done = _write_down(order, run_folder, now)
        job = outlook.jobs.get(run.run_id)
        if job is not None:
            (running if seen.state is State.RUNNING else waiting).append(job)
            done += f"; job {job_name(job)}"
        elif order is Order.CANCEL and seen.state in LIVE and ask_to_leave(run_folder):
            done += "; its process was asked to save and leave"
        told.append(Told(run_id=run.run_id, state=seen.state, done=done))
    _tell(order, scheduler, waiting, running)
    return tuple(told)


def _write_down(order: Order, folder: RunFolder, now: datetime) -> str:
    wish = {Order.CANCEL: Wish.CANCEL, Order.RETRY: Wish.GO, Order.PAUSE: Wish.PAUSE}.get(order)
    if wish is not None:
        write_wish(folder, Wished(wish=wish, time=timestamp(now)))
        return f"told to {order}"
    wished = read_wish(folder)
    if wished is None or wished.wish is not Wish.PAUSE:
        return "was not paused"
    remove_wish(folder)
    return "resumed"


def _tell(
    order: Order, scheduler: Scheduler, waiting: Sequence[JobTask], running: Sequence[JobTask]
) -> None:
    if order is Order.CANCEL:
        if waiting:
            scheduler.cancel(waiting)
        if running:
            scheduler.ask_to_leave(running)
    elif order is Order.PAUSE and waiting:
        scheduler.hold(waiting)
    elif order in (Order.RESUME, Order.RETRY) and waiting:
        scheduler.release(waiting)
