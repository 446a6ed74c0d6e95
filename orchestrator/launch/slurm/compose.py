"""Everything about a submission before it is handed over: its records, its script. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from orchestrator.launch.local import THREAD_VARIABLES
from orchestrator.launch.slurm.arrays import Batch
from orchestrator.launch.slurm.cluster import Cluster
from orchestrator.launch.slurm.script import Payload, script_text
from orchestrator.store.layout import SubmissionFolder
from orchestrator.store.submissions import Submission, Task
from orchestrator.store.versioned import timestamp

NAME_CHARACTERS = 40
"""Of a study's name in a job's name. An assumption: squeue shows few, and the token must fit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Composed:
    """A submission, ready to be written and handed over."""

    folder: SubmissionFolder
    """Where it lies."""
    submission: Submission
    """Its record."""
    script: str
    """What `sbatch` is given."""


def compose(
    cluster: Cluster, batch: Batch, token: str, attempts: Mapping[str, int], now: datetime
) -> Composed:
    """Return the records and the script of an array.

    Args:
        cluster: where it goes.
        batch: the array.
        token: names the submission.
        attempts: number of the attempt at each of its runs.
        now: the present.
    """
    folder = cluster.folder.submission(token)
    submission = Submission(
        token=token,
        study=cluster.study,
        tasks=tuple(
            Task(index=index, run_id=name, attempt=attempts[name]) for index, name in batch.tasks
        ),
        dependency=batch.dependency,
        code=str(cluster.code) if cluster.code else None,
        time=timestamp(now),
    )
    payload = Payload(python=cluster.python, code=cluster.code, environment=_environment(cluster))
    script = script_text(
        batch, cluster.site, folder=folder.path, name=job_name(cluster.study, token),
        payload=payload,
    )  # fmt: skip
    return Composed(folder=folder, submission=submission, script=script)


def job_name(study: str, token: str) -> str:
    """Return the name of a submission's jobs: for people, and for finding them again."""
    plain = "".join(c if c.isascii() and (c.isalnum() or c in "_.-") else "-" for c in study)
    return f"{plain[:NAME_CHARACTERS]}/{token}"


def _environment(cluster: Cluster) -> dict[str, str]:
    threads = str(cluster.config.execution.threads)
    return {
        **dict.fromkeys(THREAD_VARIABLES, threads),
        "PYTHONUNBUFFERED": "1",
        "TOKENIZERS_PARALLELISM": "false",
    }
