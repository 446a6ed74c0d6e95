"""Job numbers as squeue and sacct write them: jobs, tasks of arrays and ranges, steps. Pure."""

import re
from dataclasses import dataclass

MOST_TASKS = 4_000_001
"""Largest `MaxArraySize` that Slurm takes; a list that is longer is no list of tasks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobTask:
    """A job, or one task of an array of jobs."""

    job_id: int
    """The number that `sbatch` gave out; for an array, that of the array."""
    task: int | None
    """The index in the array; None outside arrays."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepId:
    """A step of a job."""

    task: JobTask
    """The job."""
    name: str
    """`batch`, `extern`, `interactive`, or a number."""


_JOB = re.compile(r"(?P<job>\d+)(?:\+\d+)?(?:_(?:(?P<task>\d+)|\[(?P<tasks>[^\]]*)\]))?$")
_STEP = re.compile(r"(?P<job>[\d_+]+)\.(?P<step>[a-z]+|\d+)(?:\+\d+)?$")
_RANGE = re.compile(r"(?P<first>\d+)(?:-(?P<last>\d+)(?::(?P<by>\d+))?)?$")


def read_job_ids(text: str) -> tuple[JobTask, ...] | None:
    """Return the jobs that a job number stands for; None if it is none.

    `7_[1-9:2,12%4]` stands for tasks 1, 3, 5, 7, 9 and 12. A list that ends in `...`, as squeue
    cuts it off, stands for the tasks before that.
    """
    found = _JOB.match(text.strip())
    if found is None:
        return None
    job_id = int(found["job"])
    if found["tasks"] is None:
        task = None if found["task"] is None else int(found["task"])
        return (JobTask(job_id=job_id, task=task),)
    tasks = _tasks(found["tasks"])
    return None if tasks is None else tuple(JobTask(job_id=job_id, task=task) for task in tasks)


def is_cut_off(text: str) -> bool:
    """Return whether a list of tasks goes on where squeue stopped writing."""
    return "..." in text


def read_step_id(text: str) -> StepId | None:
    """Return the step that a number such as `7_2.batch` stands for; None if it is no step's."""
    found = _STEP.match(text.strip())
    tasks = read_job_ids(found["job"]) if found else None
    if found is None or tasks is None:
        return None
    return StepId(task=tasks[0], name=found["step"])


def _tasks(text: str) -> tuple[int, ...] | None:
    """Return the tasks of a list such as `1-9:2,12%4`; None if it is none."""
    tasks: list[int] = []
    for part in text.partition("%")[0].split(","):
        if part.strip() == "...":
            break
        found = _RANGE.match(part.strip())
        if found is None:
            return None
        first, last = int(found["first"]), int(found["last"] or found["first"])
        by = int(found["by"] or 1)
        if by < 1 or last < first or last - first + len(tasks) >= MOST_TASKS:
            return None
        tasks.extend(range(first, last + 1, by))
    return tuple(tasks) or None
