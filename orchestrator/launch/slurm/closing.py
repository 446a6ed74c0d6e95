"""Close attempts whose jobs have ended for good: say why, and free the run for the next attempt."""

from dataclasses import replace
from datetime import datetime

from orchestrator.launch.evidence import Evidence, slurm_evidence
from orchestrator.launch.log_tail import read_tail
from orchestrator.launch.open_attempts import OpenAttempt
from orchestrator.launch.slurm.hosts import host_names
from orchestrator.launch.slurm.ids import JobTask
from orchestrator.launch.slurm.jobs import SlurmJob
from orchestrator.launch.slurm.judge import Verdict
from orchestrator.launch.slurm.states import full_name
from orchestrator.launch.states import progress_of
from orchestrator.launch.triage import triage
from orchestrator.plan.causes import Cause
from orchestrator.store.attempts import Exit, ending_unsaid, write_exit
from orchestrator.store.layout import SubmissionFolder
from orchestrator.worker.lease import give_back, read_lease

MOST_RANK_LOGS = 16
"""Logs of processes that are read for a cause. An assumption: the first to fail is among them."""


def close(
    attempt: OpenAttempt,
    job: SlurmJob | None,
    verdict: Verdict,
    submission: SubmissionFolder,
    now: datetime,
) -> None:
    """Write the last word on an attempt, and take the lease from processes that are gone.

    Args:
        attempt: whose job has ended.
        job: as Slurm knows it; None if it does not.
        verdict: on it.
        submission: the array it belonged to.
        now: the present.

    Raises:
        RecordError: if a record is damaged.
    """
    job = None if verdict.is_lost else job
    if job is not None and _never_started(attempt, job, submission):
        cause, why = Cause.NODE_FAILURE, f"{job.nodes} could not start its job"
    else:
        cause, why = _cause(attempt, verdict, _evidence(attempt, job, submission))
    ending = attempt.exit or _unsaid(attempt, job, now)
    nodes = host_names(job.nodes) if job and cause is Cause.NODE_FAILURE else ()
    ending = replace(ending, cause=cause, message=why, nodes=nodes, job_state=verdict.word)
    write_exit(attempt.attempt, ending)
    if verdict.is_confirmed and job is not None:
        _free(attempt, job)


def _evidence(attempt: OpenAttempt, job: SlurmJob | None, submission: SubmissionFolder) -> Evidence:
    ranks = [attempt.attempt.rank_log(rank) for rank in range(MOST_RANK_LOGS)]
    logs = [read_tail(log) for log in ranks if log.exists()]
    task = job.task if job else JobTask(job_id=0, task=attempt.intent.task)
    early = submission.log(task.job_id, task.task or 0)
    logs += [read_tail(early)] if early.exists() else []
    if job is not None:
        return slurm_evidence(job, attempt.exit, logs)
    ending = attempt.exit
    return Evidence(
        code=ending.code if ending else None,
        named=ending.cause if ending else None,
        message=ending.message if ending else None,
        logs=tuple(logs),
    )


def _cause(attempt: OpenAttempt, verdict: Verdict, evidence: Evidence) -> tuple[Cause, str]:
    if verdict.is_lost and attempt.exit is None:
        if _has_begun(attempt):
            return Cause.KILLED, "its job left the queue without a trace"
        return Cause.LOST, "Slurm never took its job, or no longer knows it"
    ending = attempt.exit
    if ending is not None and ending.code is None and ending.cause is not None:
        return ending.cause, ending.message or ending.cause.value  # said before it was cancelled
    found = triage(evidence)
    return found.cause, found.why


def _never_started(attempt: OpenAttempt, job: SlurmJob, submission: SubmissionFolder) -> bool:
    """Return whether Slurm gave up on a job that a node could not start.

    With `--no-requeue` it says CANCELLED, as if a person had; but then there is no node, or a log.
    """
    task = job.task
    return (
        full_name(job.word) == "CANCELLED"
        and attempt.exit is None
        and bool(host_names(job.nodes))
        and not _has_begun(attempt)
        and not submission.log(task.job_id, task.task or 0).exists()
    )


def _has_begun(attempt: OpenAttempt) -> bool:
    return attempt.attempt.environment.exists() or attempt.attempt.log.exists()


def _unsaid(attempt: OpenAttempt, job: SlurmJob | None, now: datetime) -> Exit:
    """Return the record of an attempt whose worker had no chance to write one."""
    progress = progress_of(attempt.folder)
    reached = progress.step if progress and progress.attempt == attempt.number else None
    return ending_unsaid(
        attempt.intent,
        Cause.UNKNOWN,
        None,
        now,
        code=job.code if job else None,
        seconds=job.seconds or 0.0 if job else 0.0,
        step=reached,
    )


def _free(attempt: OpenAttempt, job: SlurmJob) -> None:
    """Take the lease from a process that Slurm has seen end: nobody has to wait for its silence."""
    lease = read_lease(attempt.folder)
    if lease is None or (lease.attempt, lease.token) != (attempt.number, attempt.intent.token):
        return
    if lease.host in host_names(job.nodes):
        give_back(attempt.folder, lease)
