"""Start each attempt as a fresh Python process."""

import subprocess
import sys
import time
from collections.abc import Mapping

from orchestrator.launch.backend import Ended, Job
from orchestrator.worker.signals import terminal_blocked

_STEP_SECONDS = 0.02
"""Time between two looks at the processes."""


class ColdStarter:
    """Fresh processes, each the leader of its own session, so that they outlive the launcher."""

    def __init__(self) -> None:
        self._running: list[tuple[Job, subprocess.Popen[bytes]]] = []

    def start(self, job: Job, environment: Mapping[str, str]) -> None:
        """Start an attempt with the given environment."""
        command = [sys.executable, "-m", "orchestrator.worker", str(job.folder.path)]
        with job.folder.attempt(job.intent.attempt).log.open("ab") as log, terminal_blocked():
            process = subprocess.Popen(
                [*command, "--attempt", str(job.intent.attempt)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environment,
                start_new_session=True,
            )
        self._running.append((job, process))

    def poll(self, seconds: float) -> tuple[Ended, ...]:
        """Wait for the first end, at most `seconds`, and return all ends not yet told."""
        deadline = time.monotonic() + seconds
        while True:
            ended = self._ended()
            left = deadline - time.monotonic()
            if ended or left <= 0:
                return ended
            time.sleep(min(_STEP_SECONDS, left))

    def close(self, *, hurry: bool) -> tuple[Ended, ...]:
        """Let the processes go on by themselves; all have come to life."""
        del hurry
        for _, process in self._running:
            process.returncode = 0  # else the interpreter warns of a process nobody waited for
        self._running.clear()
        return ()

    def _ended(self) -> tuple[Ended, ...]:
        gone = [(job, process) for job, process in self._running if process.poll() is not None]
        self._running = [pair for pair in self._running if pair not in gone]
        return tuple(
            Ended(run_id=job.folder.run_id, attempt=job.intent.attempt, code=process.returncode)
            for job, process in gone
        )
