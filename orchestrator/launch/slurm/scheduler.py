"""What the launcher asks of Slurm, and how it can fail. The real one is `real.py`."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from orchestrator.launch.slurm.answers import Answer
from orchestrator.launch.slurm.ids import JobTask
from orchestrator.store.layout import SubmissionFolder


class Reply(StrEnum):
    """What `sbatch` answered."""

    ACCEPTED = "accepted"
    """The jobs are in the queue."""
    FULL = "full"
    """A limit of jobs or submissions is reached: later it may go."""
    REFUSED = "refused"
    """It will never take this script as it is."""
    GONE = "gone"
    """A job that it is to wait for is not known any more: look again, then submit anew."""
    UNCERTAIN = "uncertain"
    """It may have taken it or not: only the queue will tell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Submitted:
    """How handing over an array went."""

    reply: Reply
    """In kind."""
    number: int | None = None
    """The array's number, if it was accepted."""
    words: str = ""
    """What `sbatch` said otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SlurmLimits:
    """What the cluster allows."""

    max_array_size: int
    """One more than the largest index of an array."""
    max_submitted: int | None
    """Jobs of one user, waiting or running; None for no limit."""


class Scheduler(Protocol):
    """Slurm, or a simulation of it. No method raises for what Slurm may do."""

    def limits(self) -> SlurmLimits:
        """Return what the cluster allows."""
        ...

    def queue(self) -> Answer:
        """Return the user's jobs that wait, run, or have ended lately."""
        ...

    def accounts(self, since: datetime, numbers: Sequence[int]) -> Answer:
        """Return what the accounts know of jobs.

        Args:
            since: the time of the oldest attempt that is asked about.
            numbers: of the arrays asked about; none for all of the user's.
        """
        ...

    def submit(self, folder: SubmissionFolder) -> Submitted:
        """Hand over the script of a submission."""
        ...

    def cancel(self, jobs: Sequence[JobTask]) -> None:
        """End waiting jobs; one that has just started is left alone."""
        ...

    def ask_to_leave(self, jobs: Sequence[JobTask]) -> None:
        """Signal running jobs to save and leave, however long that takes."""
        ...

    def hold(self, jobs: Sequence[JobTask]) -> None:
        """Keep waiting jobs from starting."""
        ...

    def release(self, jobs: Sequence[JobTask]) -> None:
        """Let held jobs start."""
        ...
