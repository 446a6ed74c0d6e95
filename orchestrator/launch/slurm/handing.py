"""Hand arrays over to Slurm: records first, then `sbatch`, then its number. It may die anywhere."""

import shutil
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

from orchestrator.launch.disk import full_disk_named
from orchestrator.launch.slurm.arrays import Batch
from orchestrator.launch.slurm.cluster import Cluster
from orchestrator.launch.slurm.compose import Composed, compose
from orchestrator.launch.slurm.ids import JobTask
from orchestrator.launch.slurm.layout import execution_of
from orchestrator.launch.slurm.scheduler import Reply, Submitted
from orchestrator.launch.submit import intent_of, record_of
from orchestrator.plan.causes import Step
from orchestrator.plan.plan import PlannedRun
from orchestrator.spec.execution import Device
from orchestrator.store.attempts import (
    CLUSTER,
    Intent,
    TakenError,
    claim_with_intent,
    withdraw_attempt,
)
from orchestrator.store.files import write_text
from orchestrator.store.records import write_run
from orchestrator.store.submissions import write_number, write_submission
from orchestrator.store.versioned import timestamp


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """An attempt to be submitted."""

    run: PlannedRun
    """The run."""
    newest: int
    """Its newest attempt that is known; 0 for none."""
    step: Step | None
    """What changes after a failure."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Handed:
    """What came of handing an array over."""

    submitted: Submitted
    """Slurm's answer."""
    attempts: dict[str, int]
    """The attempts it carries, by run; those another launcher was quicker with are left out."""
    placed: dict[str, JobTask]
    """Their jobs, if they are in the queue."""


NOTHING = Submitted(reply=Reply.GONE, words="another launcher was quicker with all of its runs")


def hand_over(
    cluster: Cluster, batch: Batch, wanted: Mapping[str, Wanted], now: datetime
) -> Handed:
    """Submit an array.

    Raises:
        RecordError: if a run's folder cannot be trusted.
        LaunchError: if the disk is full.
    """
    token = uuid.uuid4().hex
    with full_disk_named(cluster.folder.path):
        attempts = _write_down(cluster, batch, wanted, token, now)
        if not attempts:
            return Handed(submitted=NOTHING, attempts={}, placed={})
        kept = replace(batch, tasks=tuple(task for task in batch.tasks if task[1] in attempts))
        composed = compose(cluster, kept, token, attempts, now)
        write_submission(composed.folder, composed.submission)
        write_text(composed.folder.script, composed.script)
        submitted = cluster.scheduler.submit(composed.folder)
        if submitted.reply is Reply.ACCEPTED and submitted.number is not None:
            write_number(composed.folder, submitted.number, timestamp(now))
            placed = {
                name: JobTask(job_id=submitted.number, task=index) for index, name in kept.tasks
            }
            return Handed(submitted=submitted, attempts=attempts, placed=placed)
        if submitted.reply is not Reply.UNCERTAIN:
            _withdraw(cluster, composed, attempts)
            attempts = {}
        return Handed(submitted=submitted, attempts=attempts, placed={})


def _write_down(
    cluster: Cluster, batch: Batch, wanted: Mapping[str, Wanted], token: str, now: datetime
) -> dict[str, int]:
    """Claim an attempt at each run of an array, and write its intent."""
    attempts: dict[str, int] = {}
    for index, name in batch.tasks:
        folder, want = cluster.folder.run(name), wanted[name]
        write_run(folder, record_of(cluster.study, want.run))
        intended = partial(_intent, cluster, want, token, index, now)
        try:
            attempts[name] = claim_with_intent(folder, want.newest, intended).number
        except TakenError:
            continue
    return attempts


def _intent(
    cluster: Cluster, want: Wanted, token: str, index: int, now: datetime, attempt: int
) -> Intent:
    intent = intent_of(cluster.config, want.run, attempt, token, now, want.step)
    execution = execution_of(intent.execution, want.run, cluster.layouts)
    is_gpu = execution.device is Device.CUDA
    return replace(
        intent,
        backend=CLUSTER,
        task=index,
        execution=execution,
        processes=want.run.cost.devices,
        peak_teraflops=cluster.profile.gpu.peak_teraflops if is_gpu else None,
    )


def _withdraw(cluster: Cluster, composed: Composed, attempts: Mapping[str, int]) -> None:
    """Forget attempts that Slurm has refused: no job will ever carry their token."""
    for name, number in attempts.items():
        withdraw_attempt(cluster.folder.run(name).attempt(number))
    shutil.rmtree(composed.folder.path)
