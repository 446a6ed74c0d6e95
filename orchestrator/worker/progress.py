"""What a run says while it works: `metrics.jsonl`, a line a step, and `progress.json`, the newest.

`metrics.jsonl` holds no clock time, so that an interrupted run leaves the same bytes as one that
was not. Each line is handed to the kernel at once: a killed process loses none, and a checkpoint
never knows more steps than the file.
"""

import json
import math
import os
from collections.abc import Callable
from typing import TextIO

from orchestrator.store.attempts import Intent
from orchestrator.store.files import replacing
from orchestrator.store.layout import RunFolder
from orchestrator.store.records import ProgressRecord, write_progress
from orchestrator.store.stage import Progress
from orchestrator.store.versioned import timestamp
from orchestrator.worker.clock import Clock
from orchestrator.worker.process import host_name
from orchestrator.worker.usage import model_flops_utilisation, peak_memory_mib

INTERVAL_SECONDS = 1.0
"""Least time between two writes of `progress.json`."""

RECENT = 0.3
"""Weight of the newest interval in the mean speed."""


class Reporter:
    """Writes down the steps of one attempt."""

    def __init__(
        self, folder: RunFolder, intent: Intent, *, clock: Clock, still_ours: Callable[[], None]
    ) -> None:
        """Start with nothing reported.

        Args:
            folder: the run.
            intent: of the attempt.
            clock: tells the time.
            still_ours: raises if the run was taken over by another process.
        """
        self.last: Progress | None = None
        self.first_step: int | None = None
        self.began = clock.seconds()
        self._folder = folder
        self._intent = intent
        self._clock = clock
        self._still_ours = still_ours
        self._metrics: TextIO | None = None
        self._written_at = -math.inf
        self._timed: tuple[int, float] | None = None
        self._speed: float | None = None

    def resumed(self, step: int) -> None:
        """Keep the lines of earlier attempts up to `step`, drop the later ones."""
        self.close()
        keep_lines(self._folder, step)
        self.first_step = step
        self._metrics = self._open()

    def report(self, progress: Progress) -> None:
        """Log a step."""
        if self._metrics is None:  # it began at the beginning: nothing earlier counts
            self.resumed(-1)
            self.first_step = 0
        assert self._metrics is not None, "opened above"
        self._metrics.write(metrics_line(progress))
        self.last = progress
        self.beat()

    def beat(self) -> None:
        """Give a sign of life: write `progress.json` if the last one is old enough."""
        seconds = self._clock.seconds()
        if seconds - self._written_at < INTERVAL_SECONDS:
            return
        self._still_ours()
        self._written_at = seconds
        self._measure(seconds)
        self._write()

    def close(self) -> None:
        """Write the last progress; nothing is reported afterwards."""
        if self._metrics is None:
            return
        self._metrics.close()
        self._metrics = None
        self._write()

    def mean_speed(self) -> float | None:
        """Return steps per second over the whole attempt; None without a step."""
        seconds = self._clock.seconds() - self.began
        if self.last is None or self.first_step is None or seconds <= 0:
            return None
        return (self.last.step - self.first_step) / seconds

    def mean_mfu(self) -> float | None:
        """Return the model FLOP utilisation over the whole attempt; None if not known."""
        return model_flops_utilisation(self._intent, self.mean_speed())

    def usage(self) -> dict[str, float]:
        """What was measured of the machine lately, by name; what is not known is left out."""
        found = {
            "steps_per_second": self._speed,
            "mfu": model_flops_utilisation(self._intent, self._speed),
            "memory_mib": peak_memory_mib(),
            "device_memory_mib": self.last.device_memory_mib if self.last else None,
        }
        return {name: value for name, value in found.items() if value is not None}

    def _open(self) -> TextIO:
        return self._folder.metrics.open("a", encoding="utf-8", buffering=1)

    def _measure(self, seconds: float) -> None:
        if self.last is None:
            return
        if self._timed is not None:
            step, since = self._timed
            speed = (self.last.step - step) / (seconds - since)
            old = speed if self._speed is None else self._speed
            self._speed = RECENT * speed + (1 - RECENT) * old
        self._timed = (self.last.step, seconds)

    def _write(self) -> None:
        if self.last is None:
            return
        record = ProgressRecord(
            attempt=self._intent.attempt,
            pid=os.getpid(),
            host=host_name(),
            first_step=self.first_step or 0,
            step=self.last.step,
            steps=self.last.steps,
            position=self.last.position,
            loss=_finite(self.last.loss),
            steps_per_second=self._speed,
            heartbeat=timestamp(self._clock.now()),
            mfu=model_flops_utilisation(self._intent, self._speed),
            memory_mib=peak_memory_mib(),
            device_memory_mib=self.last.device_memory_mib,
        )
        write_progress(self._folder, record)


def metrics_line(progress: Progress) -> str:
    """Return one line of `metrics.jsonl`. What is not a finite number is written as null."""
    values = {name: _finite(value) for name, value in (progress.values or {}).items()}
    line = {"step": progress.step, "position": progress.position, **values}
    if progress.loss is not None:
        line["loss"] = _finite(progress.loss)
    return json.dumps(line, sort_keys=True, allow_nan=False) + "\n"


def keep_lines(folder: RunFolder, step: int) -> None:
    """Cut `metrics.jsonl` after `step`, and a last line that a crash left unfinished.

    It is always written anew: what a process that lost the run still writes is in nobody's file.
    """
    if not folder.metrics.exists():
        return
    lines = folder.metrics.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True)
    kept = [line for line in lines if line.endswith("\n") and step_of(line) <= step]
    with replacing(folder.metrics) as temporary:
        temporary.write_text("".join(kept), encoding="utf-8")


def step_of(line: str) -> float:
    """Return the step of a line; a line that cannot be read comes after every step."""
    try:
        return json.loads(line)["step"]
    except (ValueError, KeyError, TypeError):
        return math.inf


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
