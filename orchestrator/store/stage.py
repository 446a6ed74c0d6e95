"""What a stage function is given and what it gives back.

A stage function (`models.stages:finetune`, or a user's own) takes one `StageContext` and returns
one `StageResult`. It writes only below `context.folder`, checkpoints when `stop_requested` turns
true and then raises `StoppedError`. It never deals with leases, signals, attempts or markers.
"""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from orchestrator.spec.execution import Execution
from orchestrator.spec.run import RunConfig
from orchestrator.spec.source import DataSource
from orchestrator.store.layout import RunFolder
from orchestrator.store.world import World


class StoppedError(Exception):
    """Raised by a stage that was asked to stop, after its checkpoint is safely on disk."""


class DivergedError(Exception):
    """Raised by a stage whose training went astray: a loss that is no number, or spikes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """One measured number. Missing is absent with a reason, never zero."""

    suite: str
    """Suite of benchmarks, or `loss` for held-out losses."""
    benchmark: str
    """Evaluation set, or the named split of a loss."""
    metric: str
    """What is measured: `accuracy`, `iou_accuracy`, `yes_rate`, `nats_per_token`."""
    value: float | None
    """Scores in [0, 1] (CIDEr-D in [0, 10]), losses in nats per supervised token, or distances;
    None if not measured."""
    n: int | None = None
    """Questions, or supervised tokens."""
    stderr: float | None = None
    """Standard error of `value` over questions."""
    baseline: float | None = None
    """What a random guesser scores, from the real option counts; None for losses."""
    reason: str | None = None
    """Why `value` is absent; None if it is there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StageResult:
    """What a stage found out. The same run gives the same result, however often it was resumed."""

    measures: tuple[Measure, ...]
    """What was measured."""
    counts: Mapping[str, int]
    """Whole-number facts such as `steps`, `text_tokens`, `image_tokens`, `skipped_samples`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """One logged step."""

    step: int
    """Optimizer steps (or batches of questions) done."""
    steps: int
    """Of how many."""
    position: int
    """Tokens (fine-tuning: examples; evaluation: questions) seen."""
    loss: float | None = None
    """Training loss in nats per supervised token."""
    values: Mapping[str, float] | None = None
    """Other logged values: `learning_rate`, `grad_norm`, `val_text_loss`."""
    device_memory_mib: float | None = None
    """Most memory held on the device so far; not logged step by step."""


class StageContext(Protocol):
    """The run, its inputs, and the way to say how far it is."""

    @property
    def config(self) -> RunConfig:
        """What the run is."""
        ...

    @property
    def folder(self) -> RunFolder:
        """Where it writes."""
        ...

    @property
    def execution(self) -> Execution:
        """Device, precision, threads."""
        ...

    @property
    def world(self) -> World:
        """The processes that make this attempt together; only the first one writes."""
        ...

    def parent(self, run_id: str) -> RunFolder:
        """Return the finished folder of a run this one needs."""
        ...

    def previous(self) -> RunFolder | None:
        """Return the finished trunk segment this one goes on from, if there is one."""
        ...

    def data(self, source: DataSource) -> Path:
        """Return the folder of a data set.

        Raises:
            DataError: if it is not there.
        """
        ...

    def resumed(self, step: int) -> None:
        """Say that work goes on after `step`: later lines of an earlier attempt are dropped."""
        ...

    def report(self, progress: Progress) -> None:
        """Log a step; cheap enough to call at each one."""
        ...

    def holding(self) -> AbstractContextManager[None]:
        """Return a context in which nobody can take the run over, to publish what was written.

        Entering it raises `LeaseHeldError` if somebody has: a process that was frozen meanwhile
        must not touch what its successor wrote. Keep it short.
        """
        ...

    def stop_requested(self) -> bool:
        """Return whether to checkpoint and leave now."""
        ...
