"""Mirror a run to Weights & Biases. Our files are the truth: whatever fails here stops no run.

wandb is imported only when tracking is on. `WANDB_MODE`, `WANDB_PROJECT` and the login come from
the environment, as everywhere; its files lie in the attempt's folder.
"""

import logging
import os
import threading
from collections.abc import Callable
from typing import Any, Protocol

from orchestrator.spec.codec import encode
from orchestrator.spec.launch import Tracking
from orchestrator.store.layout import AttemptFolder
from orchestrator.store.records import RunRecord
from orchestrator.store.stage import Progress, StageResult

_LOG = logging.getLogger(__name__)
FINISH_SECONDS = 60.0
"""How long the end of a run waits for its mirror. The run's own files are complete by then."""

_TAG_LENGTH = 64
"""The longest tag that Weights & Biases takes."""


class Tracker(Protocol):
    """Someone who is told about a run."""

    def log(self, progress: Progress) -> None:
        """Tell a step."""
        ...

    def finish(self, result: StageResult | None) -> None:
        """Tell the end; None if there is no result."""
        ...


class NoTracker:
    """Tells nobody."""

    def log(self, progress: Progress) -> None:
        """Do nothing."""

    def finish(self, result: StageResult | None) -> None:
        """Do nothing."""


class WandbTracker:
    """One W&B run for each run of ours, under the same name through all attempts."""

    def __init__(self, attempt: AttemptFolder, record: RunRecord) -> None:
        self._failed = False
        self._run: Any = None  # wandb's type cannot be named without importing wandb
        self._try(lambda: self._start(attempt, record))

    def log(self, progress: Progress) -> None:
        """Tell a step."""
        values = {**(progress.values or {}), "position": progress.position}
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


def open_tracker(tracking: Tracking, attempt: AttemptFolder, record: RunRecord) -> Tracker:
    """Return who is to be told about a run."""
    if tracking is Tracking.WANDB:
        return WandbTracker(attempt, record)
    return NoTracker()
