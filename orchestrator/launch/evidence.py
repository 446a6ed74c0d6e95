"""What is left of an attempt that ended without a result. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from orchestrator.launch.slurm.jobs import SlurmJob, SlurmStep
from orchestrator.plan.causes import Cause
from orchestrator.store.attempts import Exit


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What is left of an attempt. Whatever is not known is None or empty."""

    state: str | None = None
    """The scheduler's word for the job."""
    code: int | None = None
    """Exit code; negative for a signal, where our own launcher saw the process end."""
    signal: int | None = None
    """The signal that ended it, where that is told beside the code."""
    named: Cause | None = None
    """The cause in the attempt's own `exit.json`."""
    message: str | None = None
    """The message in the attempt's own `exit.json`."""
    logs: tuple[bytes, ...] = ()
    """The last part of the log of each rank, or of the one log of all."""
    steps: tuple[SlurmStep, ...] = ()
    """Steps of the job."""
    seconds: float | None = None
    """How long the job ran."""
    limit_seconds: float | None = None
    """How long it might run."""

    @property
    def worker_code(self) -> int | None:
        """The exit code of the job, or of a step where the job's script hides it behind 0."""
        codes = [step.code for step in self.steps if step.name.isdecimal() and step.code]
        return self.code or next(iter(codes), self.code)

    @property
    def worker_signal(self) -> int | None:
        """The signal that ended the job, or its first step: `srun` then leaves with its number."""
        signals = [step.signal for step in self.steps if step.name.isdecimal() and step.signal]
        return self.signal or next(iter(signals), None)


def slurm_evidence(job: SlurmJob, ending: Exit | None, logs: Sequence[bytes]) -> Evidence:
    """Gather what is left of an attempt under Slurm.

    Args:
        job: the attempt's job, as sacct tells it.
        ending: the attempt's own record; None if it left none.
        logs: the last part of the log of each rank.
    """
    return Evidence(
        state=job.word,
        code=job.code,
        signal=job.signal,
        named=ending.cause if ending else None,
        message=ending.message if ending else None,
        logs=tuple(logs),
        steps=job.steps,
        seconds=job.seconds,
        limit_seconds=job.limit_seconds,
    )
