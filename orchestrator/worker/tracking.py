"""Mirror a run to Weights & Biases. Our files are the truth: whatever fails here stops no run.

wandb is imported only when tracking is on. `WANDB_MODE`, `WANDB_PROJECT` and the login come from
the environment, as everywhere; its files lie in the attempt's folder.
"""

import logging
import math
import os
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Protocol

from orchestrator.errors import SweepError
from orchestrator.spec.codec import encode
from orchestrator.spec.launch import Tracking
from orchestrator.store.files import read_json, write_json
from orchestrator.store.layout import AttemptFolder, RunFolder
from orchestrator.store.records import RunRecord
from orchestrator.store.stage import Progress, StageResult
from orchestrator.worker.progress import step_of

_LOG = logging.getLogger(__name__)
FINISH_SECONDS = 60.0
"""How long the end of a run waits for its mirror. The run's own files are complete by then."""

_TAG_LENGTH = 64
"""The longest tag that Weights & Biases takes."""


class Tracker(Protocol):
    """Someone who is told about a run."""

    def log(self, progress: Progress, usage: Mapping[str, float]) -> None:
        """Tell a step, and what was measured of the machine lately."""
        ...

    def finish(self, result: StageResult | None) -> None:
        """Tell the end; None if there is no result."""
        ...


class NoTracker:
    """Tells nobody."""

    def log(self, progress: Progress, usage: Mapping[str, float]) -> None:
        """Do nothing."""

    def finish(self, result: StageResult | None) -> None:
        """Do nothing."""


class WandbTracker:
    """One W&B run for each run of ours, under the same name through all attempts.

    A step is told once: one that an earlier attempt has told, and that is computed again after a
    checkpoint, is left out. Steps there always grow.
    """

    def __init__(self, attempt: AttemptFolder, record: RunRecord, *, told: int = -1) -> None:
        """Begin a mirror.

        Args:
            attempt: where its files lie.
            record: what the run is.
            told: the last step that earlier attempts have told; -1 for none.
        """
        self._failed = False
        self._told = told
        self._run: Any = None  # wandb's type cannot be named without importing wandb
        self._try(lambda: self._start(attempt, record))

    def log(self, progress: Progress, usage: Mapping[str, float]) -> None:
        """Tell a step, unless it was told before; the machine's values lie below `machine/`."""
        if progress.step <= self._told:
            return
        values = {**(progress.values or {}), "position": progress.position}
        values |= {f"machine/{name}": value for name, value in usage.items()}
        if progress.loss is not None:
            values["loss"] = progress.loss
        self._try(lambda: self._run.log(values, step=progress.step))

    def finish(self, result: StageResult | None) -> None:
        """Tell the end, and wait for a while until everything is written."""
        if self._failed:
            return
        ending = threading.Thread(
            target=self._try, args=(lambda: self._finish(result),), daemon=True
        )
        ending.start()
        ending.join(FINISH_SECONDS)
        if ending.is_alive():
            _LOG.warning(
                "Weights & Biases was left behind: it takes more than %g s", FINISH_SECONDS
            )

    def _start(self, attempt: AttemptFolder, record: RunRecord) -> None:
        import wandb

        self._run = wandb.init(
            id=record.run_id,
            name=record.title,
            project=None if "WANDB_PROJECT" in os.environ else record.study,
            group=record.study,
            job_type=record.stage.value,
            tags=[arm[:_TAG_LENGTH] for arm in record.arms],
            config={
                "run_id": record.run_id,
                "config": encode(record.config),
                **{axis.name: axis.value for axis in record.axes},
            },
            dir=attempt.path,
            resume="allow",
            settings=wandb.Settings(console="off", silent=True),
        )

    def _finish(self, result: StageResult | None) -> None:
        for measure in result.measures if result else ():
            if measure.value is not None:
                name = f"{measure.suite}/{measure.benchmark}/{measure.metric}"
                self._run.summary[name] = measure.value
        self._run.finish(exit_code=0 if result else 1)

    def _try(self, action: Callable[[], None]) -> None:
        """Do it; after a first failure say so, and never try again."""
        if self._failed:
            return
        try:
            action()
        except Exception:  # noqa: BLE001  (whatever a mirror does, the run goes on)
            self._failed = True
            _LOG.warning("Weights & Biases failed and is left out from here on", exc_info=True)


def open_tracker(
    tracking: Tracking, folder: RunFolder, attempt: AttemptFolder, record: RunRecord
) -> Tracker:
    """Return who is to be told about a run. Call it before the run goes on: its old steps count."""
    if tracking is Tracking.WANDB:
        return WandbTracker(attempt, record, told=told_before(folder))
    return NoTracker()


def told_before(folder: RunFolder) -> int:
    """Return the last step that earlier attempts have told, -1 for none; and write it down.

    `metrics.jsonl` has every step before a mirror is told of it. Going on from a checkpoint cuts
    it, so what it knows now is kept in `mirrored.json`.
    """
    if not any(folder.attempts.glob("*/wandb")):
        return -1
    told = max(_last_mirrored(folder), _last_reported(folder))
    write_json(folder.mirrored, {"step": told})
    return told


def _last_mirrored(folder: RunFolder) -> int:
    with suppress(SweepError, FileNotFoundError):
        step = read_json(folder.mirrored).get("step")
        return step if isinstance(step, int) else -1
    return -1


def _last_reported(folder: RunFolder) -> int:
    with suppress(FileNotFoundError):
        lines = folder.metrics.read_text(encoding="utf-8", errors="replace").splitlines()
        return int(max((step_of(line) for line in lines if step_of(line) < math.inf), default=-1))
    return -1
