"""What a submission to a cluster leaves on disk: its tasks before, its number after `sbatch`.

A submission is one array of jobs. Its folder is named by the token that the jobs' name carries.
"""

from dataclasses import dataclass

from orchestrator.errors import RecordError
from orchestrator.store.layout import SubmissionFolder
from orchestrator.store.versioned import read_record, write_record


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One job of an array."""

    index: int
    """Its number in the array. At least 0."""
    run_id: str
    """The run it makes an attempt at."""
    attempt: int
    """Which try."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """`submission.json`: written before `sbatch` is called."""

    token: str
    """What the name of its jobs carries."""
    study: str
    """The study."""
    tasks: tuple[Task, ...]
    """What each job of the array does."""
    dependency: str | None
    """What it waits for, in Slurm's words; None for nothing."""
    code: str | None
    """Folder of the code that its jobs run; None for the code as it is when they start."""
    time: str
    """When it was written, ISO 8601 in UTC."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobNumber:
    """`job.json`: written after `sbatch` has answered. Without it the name alone tells the job."""

    number: int
    """The number of the array; a controller that lost its state may give it out again."""
    time: str
    """When `sbatch` answered, ISO 8601 in UTC."""


def write_submission(folder: SubmissionFolder, submission: Submission) -> None:
    """Write `submission.json`."""
    write_record(folder.submission, submission)


def read_submission(folder: SubmissionFolder) -> Submission:
    """Read `submission.json`.

    Raises:
        RecordError: if it is missing, damaged or of another submission.
    """
    found = read_record(Submission, folder.submission)
    if found.token != folder.token:
        raise RecordError(
            f"it is of submission {found.token}", str(folder.submission), "move it away"
        )
    return found


def write_number(folder: SubmissionFolder, number: int, time: str) -> None:
    """Write `job.json`."""
    write_record(folder.job, JobNumber(number=number, time=time))


def read_number(folder: SubmissionFolder) -> int | None:
    """Return the number that `sbatch` gave out; None if nobody heard it.

    Raises:
        RecordError: if the file is damaged.
    """
    return read_record(JobNumber, folder.job).number if folder.job.exists() else None
