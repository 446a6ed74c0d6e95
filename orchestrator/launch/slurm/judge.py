"""Say where an open attempt stands, from what Slurm and its own folder tell. Pure.

The run's own marker comes before all of this, and a live process before Slurm's word: a controller
that lost its state, and a node that lost its controller, leave jobs that nobody lists.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from orchestrator.launch.open_attempts import OpenAttempt
from orchestrator.launch.slurm.jobs import SlurmJob
from orchestrator.launch.slurm.match import Finding, Presence
from orchestrator.launch.slurm.states import Reading, Standing, read_state
from orchestrator.plan.causes import Cause
from orchestrator.plan.observed import State
from orchestrator.spec.slurm_site import Requeue

GRACE = timedelta(minutes=3)
"""How long a job may take from its intent until Slurm lists it. An assumption: `sbatch` may itself
take a minute, and accounts lag behind by seconds."""

LAG = timedelta(minutes=1)
"""How long accounts, or the files of another machine, may lag behind. An assumption."""

GONE = "gone"
"""Stands for Slurm's word where it no longer knows a job."""

STUCK = {
    "DependencyNeverSatisfied": Cause.NOT_READY,
    "launch failed requeued held": Cause.NODE_FAILURE,
    "JobHoldMaxRequeue": Cause.NODE_FAILURE,
}
"""How Slurm's reasons begin for jobs that wait for ever, and what has come in between: a parent
failed; a node could not start the job; that happened too often."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Where an open attempt stands."""

    state: State
    """Where the run stands; `failed` if the attempt is over."""
    message: str | None = None
    """What it waits for, or why nothing is known."""
    is_lost: bool = False
    """Whether Slurm no longer knows the job, or knows it only from its accounts."""
    is_confirmed: bool = False
    """Whether Slurm has seen its processes end."""
    stuck: Cause | None = None
    """Why its job can never start by itself."""
    word: str = ""
    """Slurm's word."""
    watch: bool = False
    """Whether since when the word is seen decides what comes of it."""

    @property
    def is_over(self) -> bool:
        """Whether its job has ended for good, and the attempt is to be closed."""
        return self.state is State.FAILED


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """When and under which policy one looks."""

    now: datetime
    """The present."""
    requeue: Requeue
    """What Slurm does with jobs whose node failed or whose place was taken."""
    is_alive: bool
    """Whether a process of the run has lately given a sign of life."""


def judge(attempt: OpenAttempt, finding: Finding, look: Look) -> Verdict:
    """Say where an open attempt stands."""
    if finding.presence is Presence.FOUND and finding.job is not None:
        return _found(attempt, finding, finding.job, look)
    if look.is_alive:
        return Verdict(state=State.RUNNING, message=f"its process lives; {finding.why}")
    if finding.presence is Presence.UNKNOWN and not (finding.queue_told and attempt.exit):
        return Verdict(state=State.UNKNOWN, message=finding.why)
    if attempt.exit is None and look.now - attempt.written < GRACE:
        return Verdict(state=State.SUBMITTED, message="just handed over")
    return replace(_over(GONE), is_lost=True)


def _found(attempt: OpenAttempt, finding: Finding, job: SlurmJob, look: Look) -> Verdict:
    reading = read_state(job.word, look.requeue)
    if reading.standing is Standing.LIVE:
        if not finding.queued and finding.queue_told:
            return _ghost(attempt, reading, look)
        return _live(reading, job, look)
    if look.is_alive and reading.standing is not Standing.ENDED_WELL and not _is_sure(reading):
        message = f"its process lives; Slurm says {reading.word}"
        return Verdict(state=State.RUNNING, message=message, word=reading.word, watch=True)
    if reading.standing is Standing.UNKNOWN:
        message = f"Slurm says {reading.word or 'nothing'}"
        return Verdict(state=State.UNKNOWN, message=message, word=reading.word)
    if reading.standing is Standing.ENDED_WELL:
        told = attempt.exit is not None and attempt.exit.cause is not None
        return _over(reading.word, sure=True) if told else _wait(attempt, reading.word, LAG, look)
    if reading.wait_seconds:
        wait = timedelta(seconds=reading.wait_seconds)
        return _wait(attempt, reading.word, wait, look)
    if attempt.exit is None and not finding.is_recorded:
        return _wait(attempt, reading.word, LAG, look)
    return _over(reading.word, sure=True)


def _is_sure(reading: Reading) -> bool:
    """Return whether a word means that the job's processes are gone."""
    return reading.standing is Standing.ENDED and not reading.wait_seconds


def _live(reading: Reading, job: SlurmJob, look: Look) -> Verdict:
    reason = job.reason if job.reason not in (None, "", "None") else None
    state = State.RUNNING if look.is_alive else reading.state
    message = None if state is State.RUNNING else reason
    stuck = stuck_by(reason) if state is State.QUEUED else None
    return Verdict(state=state, message=message, stuck=stuck, word=reading.word)


def stuck_by(reason: str | None) -> Cause | None:
    """Return why a waiting job can never start by itself, from Slurm's reason; None if it can."""
    said = reason or ""
    return next((cause for words, cause in STUCK.items() if said.startswith(words)), None)


def _ghost(attempt: OpenAttempt, reading: Reading, look: Look) -> Verdict:
    """Judge a job that is live in the accounts and not in the queue: they lag, or it is lost."""
    word = f"{reading.word}, but not in the queue"
    if look.is_alive:
        return Verdict(state=State.RUNNING, message=word, word=word, watch=True)
    if attempt.exit is None and look.now - attempt.written < GRACE:
        return Verdict(state=State.SUBMITTED, message=word, word=word, watch=True)
    return replace(_wait(attempt, word, LAG, look, sure=False), is_lost=True)


def _wait(
    attempt: OpenAttempt, word: str, wait: timedelta, look: Look, *, sure: bool = True
) -> Verdict:
    """Close the attempt once Slurm has said the same for long enough."""
    seen = attempt.seen
    if seen and seen.word == word and look.now - datetime.fromisoformat(seen.since) >= wait:
        return _over(word, sure=sure and not look.is_alive)
    message = f"Slurm says {word}: it may change within {wait.total_seconds():g} s"
    return Verdict(state=State.UNKNOWN, message=message, word=word, watch=True)


def _over(word: str, *, sure: bool = False) -> Verdict:
    return Verdict(state=State.FAILED, is_confirmed=sure, word=word)
