"""What Slurm says of one job: the fields that the launcher needs, typed. Pure."""

from dataclasses import dataclass
from datetime import datetime

from orchestrator.launch.slurm.ids import JobTask


@dataclass(frozen=True, slots=True, kw_only=True)
class SlurmStep:
    """One step of a job, from sacct."""

    name: str
    """`batch`, `extern`, or a number."""
    word: str
    """Its state word."""
    code: int | None
    """Its exit code, 0 to 255."""
    signal: int | None
    """The signal that ended it; None for none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SlurmJob:
    """One life of one job, or of one task of an array."""

    task: JobTask
    """Its number, which Slurm may give to another job later."""
    word: str
    """Its state word."""
    submitted: datetime | None
    """When it was submitted, or last requeued."""
    label: str
    """Its name and comment, joined by `|`, as they came."""
    nodes: str
    """Where it runs or ran, as Slurm abbreviates it; may be empty."""
    reason: str | None = None
    """Why it waits, from squeue."""
    code: int | None = None
    """Its exit code, from sacct."""
    signal: int | None = None
    """The signal that ended it, from sacct; None for none."""
    seconds: float | None = None
    """How long it ran, from sacct."""
    limit_seconds: float | None = None
    """How long it might run, from sacct; None for no limit."""
    steps: tuple[SlurmStep, ...] = ()
    """Its steps, from sacct."""
