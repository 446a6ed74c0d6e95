"""Find the job of an attempt in what Slurm answers. Pure.

A controller that loses its state gives the same numbers out again, so that a number says nothing.
A job is an attempt's if it carries the attempt's token, which no other submission has. Clocks have
no say: those of a launcher and a controller may lie minutes apart.
"""

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum

from orchestrator.launch.slurm.answers import Answer, Silence, Told, Unanswered
from orchestrator.launch.slurm.jobs import SlurmJob
from orchestrator.launch.slurm.states import full_name


@dataclass(frozen=True, slots=True, kw_only=True)
class Sought:
    """What is known about a submission when its job is looked for."""

    token: str
    """What the job's name carries; unique to the submission. In a comment the accounts lose it."""
    task: int | None
    """The index in the array; None outside arrays."""
    number: int | None
    """The number that `sbatch` gave out, if it is known. It says what sacct has to be asked for."""


class Presence(StrEnum):
    """Whether Slurm knows a job."""

    FOUND = "found"
    """It does."""
    ABSENT = "absent"
    """It does not: everyone who could know was asked and answered in full."""
    UNKNOWN = "unknown"
    """It was not found, but somebody did not answer, or not in full."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What came of looking for a job."""

    presence: Presence
    """Whether Slurm knows it."""
    job: SlurmJob | None
    """Its present or last life; None unless found."""
    lives: tuple[SlurmJob, ...]
    """All that was found of it, oldest first; several after a requeue."""
    why: str
    """The reason, for people."""
    queued: bool
    """Whether the queue lists it."""
    queue_told: bool
    """Whether the queue answered in full: what it does not list is not in it."""
    is_recorded: bool
    """Whether the accounts know its exit code, or the cluster keeps none."""


class Jobs:
    """The answers of one tick, ready for looking up many jobs."""

    def __init__(self, queue: Answer, accounts: Answer, numbers: Collection[int] = ()) -> None:
        """Sort the jobs by the tokens in their labels.

        Args:
            queue: of squeue.
            accounts: of sacct.
            numbers: the job numbers that sacct was asked for; none if it was asked for all.
        """
        self._numbers = frozenset(numbers)
        self._is_told = isinstance(accounts, Told)
        self._queue = _by_token(queue)
        self._accounts = _by_token(accounts)
        self._doubt = _doubt(queue, accounts)
        is_silent = isinstance(accounts, Unanswered)
        self._no_accounts = is_silent and accounts.silence is Silence.DISABLED
        self._queue_told = isinstance(queue, Told) and queue.complete

    def find(self, sought: Sought) -> Finding:
        """Look for one job. The queue knows better than the accounts, which lag behind it."""
        queued = _fitting(self._queue.get(sought.token, ()), sought)
        recorded = _fitting(self._accounts.get(sought.token, ()), sought)
        lives = _united(recorded, queued)
        if lives:
            where = "the queue" if queued else "the accounts"
            return Finding(
                presence=Presence.FOUND,
                job=lives[-1],
                lives=lives,
                why=f"job {_name(lives[-1])} in {where}",
                queued=bool(queued),
                queue_told=self._queue_told,
                is_recorded=lives[-1].code is not None or self._no_accounts,
            )
        doubt = self._doubt or self._not_asked(sought)
        presence = Presence.UNKNOWN if doubt else Presence.ABSENT
        why = doubt or "neither the queue nor the accounts know it"
        return Finding(
            presence=presence,
            job=None,
            lives=(),
            why=why,
            queued=False,
            queue_told=self._queue_told,
            is_recorded=self._no_accounts,
        )

    def _not_asked(self, sought: Sought) -> str | None:
        """Return why sacct may have left a job out: it lists those never eligible by number only.

        A job without a known number has just been submitted; the queue still has it in any state.
        """
        if sought.number is None or sought.number in self._numbers or not self._is_told:
            return None
        return f"sacct was not asked for job {sought.number} by its number"


_TOKEN = re.compile(r"(?<![0-9A-Za-z])[0-9a-f]{32}(?![0-9A-Za-z])")
"""Tokens as intents carry them."""


def tokens_in(label: str) -> tuple[str, ...]:
    """Return the tokens in a job's name and comment."""
    return tuple(dict.fromkeys(_TOKEN.findall(label)))


def _by_token(answer: Answer) -> dict[str, list[SlurmJob]]:
    jobs: dict[str, list[SlurmJob]] = {}
    for job in answer.jobs if isinstance(answer, Told) else ():
        for token in tokens_in(job.label):
            jobs.setdefault(token, []).append(job)
    return jobs


def _fitting(jobs: Iterable[SlurmJob], sought: Sought) -> Sequence[SlurmJob]:
    """Return the lives of the job that is sought, oldest first."""
    fitting = [job for job in jobs if job.task.task == sought.task]
    return sorted(fitting, key=lambda job: job.submitted or _LONG_AGO)


_LONG_AGO = datetime.min.replace(tzinfo=UTC)


def _united(recorded: Sequence[SlurmJob], queued: Sequence[SlurmJob]) -> tuple[SlurmJob, ...]:
    """Return each life once: the queue's state, with the exit codes that only accounts have."""
    known = {(job.task, job.submitted): job for job in recorded}
    for job in queued:
        life = (job.task, job.submitted)
        record = known.pop(life, None)
        known[life] = job if record is None else _with_record(job, record)
    return tuple(known.values())


def _with_record(job: SlurmJob, record: SlurmJob) -> SlurmJob:
    """Add what only accounts know, unless they lag behind: then their exit code is of no end."""
    if full_name(record.word) != full_name(job.word):
        return job
    return replace(
        job,
        code=record.code,
        signal=record.signal,
        seconds=record.seconds,
        limit_seconds=record.limit_seconds,
        steps=record.steps,
    )


def _doubt(queue: Answer, accounts: Answer) -> str | None:
    """Return why a job that is not found may be there all the same; None if it cannot."""
    if isinstance(queue, Unanswered):
        return f"squeue did not answer: {queue.reason}"
    if not queue.complete:
        return "squeue's answer is not complete"
    if isinstance(accounts, Unanswered):
        if accounts.silence is Silence.DISABLED:
            return None
        return f"sacct did not answer: {accounts.reason}"
    return None if accounts.complete else "sacct's answer is not complete"


def _name(job: SlurmJob) -> str:
    task = job.task
    return str(task.job_id) if task.task is None else f"{task.job_id}_{task.task}"
