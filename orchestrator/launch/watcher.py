"""Who is told how a launch goes: the command line's displays, or a test."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from orchestrator.plan.observed import Observed, State
from orchestrator.plan.plan import Plan, PlannedRun
from orchestrator.store.records import ProgressRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningRun:
    """A run that holds a slot."""

    run: PlannedRun
    """The run."""
    state: State
    """Submitted, queued or running."""
    progress: ProgressRecord | None
    """How far it is; None before it has said so."""

    @property
    def share(self) -> float:
        """How much of it is done, in [0, 1]."""
        if self.progress is None or self.progress.steps < 1:
            return 0.0
        return min(1.0, self.progress.step / self.progress.steps)

    @property
    def tokens_per_second(self) -> float | None:
        """Sequence positions trained on in a second, lately; None if nobody knows, or has any."""
        speed = self.progress.steps_per_second if self.progress else None
        if speed is None or not self.run.cost.steps or not self.run.cost.tokens:
            return None
        return speed * self.run.cost.tokens / self.run.cost.steps

    @property
    def seconds_left(self) -> float | None:
        """Until its last step, at its recent speed; None if nobody knows."""
        if self.progress is None or not self.progress.steps_per_second:
            return None
        return (self.progress.steps - self.progress.step) / self.progress.steps_per_second


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """Where everything stands."""

    plan: Plan
    """The runs."""
    observed: Mapping[str, Observed]
    """Where each of them stands."""
    running: tuple[RunningRun, ...]
    """Those that hold a slot."""
    finished: int
    """Runs done in this launch."""
    seconds: float
    """Since the launch began."""
    eta_seconds: float
    """Until everything needed is done, by estimate."""


class Watcher(Protocol):
    """Is told what happens, in the launcher's own thread."""

    def started(self, run: PlannedRun, attempt: int) -> None:
        """An attempt was handed over."""
        ...

    def ended(self, run: PlannedRun, seen: Observed, seconds: float) -> None:
        """An attempt ended; `seconds` is the time inside the stage's function."""
        ...

    def look(self, overview: Overview) -> None:
        """Some time has passed, a few times a second."""
        ...
