"""Rounds over a cluster: look, decide, apply. One is safe to repeat, and to end at any write.

A round submits all that can be submitted, also what waits for jobs under way, so that nobody has
to stay. Later rounds close what has ended and answer failures.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from orchestrator.errors import LaunchError, RecordError
from orchestrator.launch.loop import Outcome
from orchestrator.launch.open_attempts import open_attempt
from orchestrator.launch.overview import overview_of
from orchestrator.launch.pace import Pace
from orchestrator.launch.slurm.arrays import Batch, in_waves
from orchestrator.launch.slurm.asks import asks_for
from orchestrator.launch.slurm.cluster import Cluster
from orchestrator.launch.slurm.handing import Handed, Wanted, hand_over
from orchestrator.launch.slurm.ids import JobTask
from orchestrator.launch.slurm.look import Picture, look
from orchestrator.launch.slurm.scheduler import Reply, SlurmLimits
from orchestrator.launch.states import Moment
from orchestrator.launch.usage import Timed, add_usage
from orchestrator.launch.watcher import Watcher
from orchestrator.plan.actions import Action, Verb, decide, halt_reason
from orchestrator.plan.causes import Cause
from orchestrator.plan.limits import Limits
from orchestrator.plan.observed import LIVE, Observed, State
from orchestrator.plan.plan import Plan
from orchestrator.store.attempts import ending_unsaid, read_exit, spent, write_exit


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """How rounds tell the time."""

    now: Callable[[], datetime]
    """The date."""
    seconds: Callable[[], float] = time.monotonic
    """A time that never goes back."""
    sleep: Callable[[float], bool]
    """Waits for some seconds; returns whether to leave."""


@dataclass(slots=True)
class _Told:
    """What was told to the watcher already."""

    done: set[str] = field(default_factory=set[str])
    failed: dict[str, int] = field(default_factory=dict[str, int])


class Rounds:
    """One launch of one study on a cluster. The launch lock is held by the caller."""

    def __init__(self, plan: Plan, cluster: Cluster, watcher: Watcher, timing: Timing) -> None:
        """Look at everything; submit nothing yet.

        Args:
            plan: the runs.
            cluster: where they go.
            watcher: is told what happens.
            timing: tells the time.
        """
        self._plan = plan
        self._runs = {run.run_id: run for run in plan.runs}
        self._cluster = cluster
        self._watcher = watcher
        self._timing = timing
        self._since = timing.now()
        self._began = timing.seconds()
        self._pace = Pace(cluster.site.sbatch_per_minute, timing.seconds, timing.sleep)
        self._limits = cluster.scheduler.limits()
        self._picture = self._look()
        done = {n for n, seen in self._picture.observed.items() if seen.state is State.DONE}
        self._told = _Told(done=done)
        self._timed: list[Timed] = []

    def has_work(self) -> bool:
        """Return whether anything is to be submitted."""
        return any(action.verb is Verb.SUBMIT for action in self._decide())

    def run(self, interrupted: Callable[[], bool], *, stay: bool) -> Outcome:
        """Make one round, or go on until nothing is left to do, or until told to leave.

        Args:
            interrupted: whether to leave now; nothing is cancelled then.
            stay: whether to go on after the first round.

        Raises:
            LaunchError: if Slurm refuses a script for good, or the disk is full.
        """
        try:
            while not interrupted():
                actions = self._decide()
                self._apply(actions, interrupted)
                self._tell()
                if not stay or not self._is_going_on(actions):
                    break
                if self._timing.sleep(self._cluster.site.poll_seconds):
                    break
                self._picture = self._look()
        finally:
            add_usage(self._cluster.folder, self._timed)
        return Outcome(
            actions=self._decide(),
            observed=self._picture.observed,
            finished=len(self._timed),
            seconds=self._timing.seconds() - self._began,
            interrupted=interrupted(),
            halted=halt_reason(self._picture.observed, self._limits_now()),
        )

    def _look(self) -> Picture:
        moment = Moment(now=self._timing.now(), since=self._since)
        return look(self._cluster.asked, self._plan, moment, write=True)

    def _decide(self) -> tuple[Action, ...]:
        return decide(self._plan, self._picture.observed, self._limits_now())

    def _limits_now(self) -> Limits:
        return limits_now(self._cluster, self._limits, self._picture, self._timing.now())

    def _is_going_on(self, actions: Sequence[Action]) -> bool:
        if any(action.wait_seconds is not None for action in actions):
            return True
        return self._picture.silence is not None or any(
            seen.state in LIVE or (seen.state is State.UNKNOWN and seen.cause is None)
            for seen in self._picture.observed.values()
        )

    def _apply(self, actions: Sequence[Action], interrupted: Callable[[], bool]) -> None:
        if self._picture.parked:  # they find their runs done, and let go of what waits for them
            self._cluster.scheduler.release(self._picture.parked)
        self._cancel([action for action in actions if action.verb is Verb.CANCEL])
        if self._picture.silence is None:
            self._submit([a for a in actions if a.verb is Verb.SUBMIT], interrupted)

    def _cancel(self, actions: Sequence[Action]) -> None:
        """End jobs: those that can never start, and those a person wants to end."""
        waiting: list[JobTask] = []
        running: list[JobTask] = []
        for action in actions:
            seen = self._picture.observed[action.run_id]
            job = self._picture.jobs.get(action.run_id)
            if job is None:
                continue
            if seen.state is State.RUNNING:
                running.append(job)
                continue
            waiting.append(job)
            if seen.stuck:
                self._close(action.run_id, seen.stuck, action.reason)
            elif self._cluster.config.stop:  # else it would count as cancelled by a person
                self._close(action.run_id, Cause.STOPPED, "stopped before it began")
        if waiting:
            self._cluster.scheduler.cancel(waiting)
        if running:
            self._cluster.scheduler.ask_to_leave(running)

    def _close(self, run_id: str, cause: Cause, message: str) -> None:
        """Say why an attempt never started, before its job is cancelled."""
        try:
            attempt = open_attempt(self._cluster.folder.run(run_id))
            if attempt is not None and read_exit(attempt.attempt) is None:
                now = self._timing.now()
                ending = ending_unsaid(attempt.intent, cause, message, now)
                write_exit(attempt.attempt, ending)
        except RecordError:  # the next look names what is damaged
            return

    def _submit(self, actions: Sequence[Action], interrupted: Callable[[], bool]) -> None:
        config, profile = self._cluster.config, self._cluster.profile
        asks = asks_for(self._plan, actions, profile, config.execution.device)
        wanted = {
            action.run_id: Wanted(
                run=self._runs[action.run_id],
                newest=self._picture.newest.get(action.run_id, 0),
                step=action.step,
            )
            for action in actions
        }

        def submit(batch: Batch) -> dict[str, JobTask] | None:
            if interrupted() or not self._pace.wait():
                return None
            handed = self._hand_over(batch, wanted)
            full = handed.submitted.reply is Reply.FULL  # the rest waits for the next round
            return None if full else handed.placed

        in_waves(asks, self._picture.placed, self._limits.max_array_size, submit)

    def _hand_over(self, batch: Batch, wanted: dict[str, Wanted]) -> Handed:
        handed = hand_over(self._cluster, batch, wanted, self._timing.now())
        if handed.submitted.reply is Reply.REFUSED:
            raise LaunchError(
                f"Slurm refuses a job: {handed.submitted.words}",
                f"profile {self._cluster.profile.profile}",
                f"sweep doctor --profile {self._cluster.profile.profile} says what does not fit; "
                "jobs under way go on",
            )
        for name, attempt in handed.attempts.items():
            self._picture.observed[name] = Observed(
                state=State.SUBMITTED,
                attempts=attempt,
                waitable=name in handed.placed,
                message=None if name in handed.placed else handed.submitted.words,
            )
            self._watcher.started(self._runs[name], attempt)
        return handed

    def _tell(self) -> None:
        """Tell the watcher what has ended since the last round, and where everything stands."""
        for name, seen in self._picture.observed.items():
            run = self._runs[name]
            if seen.state is State.DONE and name not in self._told.done:
                self._told.done.add(name)
                took = spent(self._cluster.folder.run(name))
                self._timed.append(Timed(run=run, seconds=took.device_seconds))
                self._watcher.ended(run, seen, took.seconds)
            elif seen.state is State.FAILED and self._told.failed.get(name) != seen.attempts:
                self._told.failed[name] = seen.attempts
                if not seen.earlier:
                    self._watcher.ended(run, seen, spent(self._cluster.folder.run(name)).seconds)
        self._watcher.look(
            overview_of(
                self._plan,
                self._cluster.folder,
                self._picture.observed,
                timed=self._timed,
                seconds=self._timing.seconds() - self._began,
            )
        )


def limits_now(cluster: Cluster, limits: SlurmLimits, picture: Picture, now: datetime) -> Limits:
    """Return what a round may do."""
    slots = None
    if limits.max_submitted is not None:
        slots = max(0, limits.max_submitted - picture.others)
    return Limits(
        slots=slots,
        retry=cluster.config.retry,
        stop=cluster.config.stop,
        ahead=True,
        attended=False,
        now=now,
    )
