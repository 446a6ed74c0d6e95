"""Start attempts as forks of a warm worker (`orchestrator.worker.warm`)."""

import json
import os
import selectors
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from typing import IO

from orchestrator.errors import LaunchError
from orchestrator.launch.backend import Ended, Job
from orchestrator.worker.signals import terminal_blocked

_LEAVE_SECONDS = 0.2
"""How long the warm worker may take to leave."""

_WARM_UP_SECONDS = 300.0
"""How long importing may take. An assumption: torch from a slow network disk takes a minute."""

_TAIL_BYTES = 2000
"""How much of the server's last words an error quotes."""


class WarmStarter:
    """A warm worker, started with the first attempt, and the forks that it answers for."""

    def __init__(self, functions: tuple[str, ...]) -> None:
        """Start nothing yet.

        Args:
            functions: dotted names of the stage functions to import beforehand.
        """
        self._functions = functions
        self._server: subprocess.Popen[bytes] | None = None
        self._errors: IO[bytes] | None = None
        self._selector = selectors.DefaultSelector()
        self._pending = b""
        self._asked: dict[tuple[str, int], Job] = {}
        self._running: dict[int, Job] = {}

    def start(self, job: Job, environment: Mapping[str, str]) -> None:
        """Ask for an attempt. The environment of the first one is that of all.

        Raises:
            LaunchError: if the warm worker is gone.
        """
        server = self._server or self._serve(environment)
        key = (str(job.folder.path), job.intent.attempt)
        self._asked[key] = job
        request = json.dumps({"run_dir": key[0], "attempt": key[1]}).encode() + b"\n"
        assert server.stdin is not None, "opened with a pipe"
        try:
            server.stdin.write(request)
            server.stdin.flush()
        except BrokenPipeError as error:
            raise self._gone() from error

    def poll(self, seconds: float) -> tuple[Ended, ...]:
        """Wait for the first end, at most `seconds`, and return all ends not yet told.

        Raises:
            LaunchError: if the warm worker is gone.
        """
        deadline = time.monotonic() + seconds
        while True:
            left = deadline - time.monotonic()
            if self._server is None:
                time.sleep(max(0.0, left))
                return ()
            if not self._selector.select(max(0.0, left)):
                return ()
            ended = self._read(self._server)
            if ended:
                return ended

    def close(self, *, hurry: bool) -> tuple[Ended, ...]:
        """Let the warm worker leave; return the attempts that it had not forked yet.

        Its forks go on by themselves. While it is still importing it cannot hear that its input
        has ended: it is waited for, or in a hurry killed.
        """
        deadline = time.monotonic() + _WARM_UP_SECONDS
        server = self._server
        while server and self._asked and not hurry and time.monotonic() < deadline:
            if server.poll() is not None:
                break
            self.poll(_LEAVE_SECONDS)
        self._selector.close()
        self._server = None
        if server is None:
            return ()
        assert server.stdin is not None, "opened with a pipe"
        assert server.stdout is not None, "opened with a pipe"
        server.stdin.close()
        try:
            server.wait(timeout=_LEAVE_SECONDS)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()
        for line in (self._pending + _drain(server.stdout)).splitlines():
            self._take(json.loads(line))
        server.stdout.close()
        if self._errors is not None:
            self._errors.close()
        return tuple(
            Ended(run_id=job.folder.run_id, attempt=job.intent.attempt, code=None)
            for job in self._asked.values()
        )

    def _serve(self, environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115  (closed with the server)
        with terminal_blocked():
            self._server = subprocess.Popen(
                [sys.executable, "-m", "orchestrator.worker.warm", *self._functions],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                bufsize=0,
                stderr=self._errors,
                env=environment,
                start_new_session=True,
            )
        assert self._server.stdout is not None, "opened with a pipe"
        self._selector.register(self._server.stdout, selectors.EVENT_READ)
        return self._server

    def _read(self, server: subprocess.Popen[bytes]) -> tuple[Ended, ...]:
        assert server.stdout is not None, "opened with a pipe"
        chunk = os.read(server.stdout.fileno(), 65536)
        if not chunk:
            raise self._gone()
        *lines, self._pending = (self._pending + chunk).split(b"\n")
        ended = [self._take(json.loads(line)) for line in lines]
        return tuple(end for end in ended if end)

    def _take(self, reply: dict[str, object]) -> Ended | None:
        pid = int(str(reply["pid"]))
        if "exit" not in reply:
            key = (str(reply["run_dir"]), int(str(reply["attempt"])))
            self._running[pid] = self._asked.pop(key)
            return None
        job = self._running.pop(pid)
        code = int(str(reply["exit"]))
        return Ended(run_id=job.folder.run_id, attempt=job.intent.attempt, code=code)

    def _gone(self) -> LaunchError:
        assert self._server is not None, "a server that was never there cannot go"
        assert self._errors is not None, "opened with the server"
        code = self._server.wait()
        self._errors.seek(0)
        words = self._errors.read()[-_TAIL_BYTES:].decode(errors="replace").strip()
        return LaunchError(
            f"the warm worker ended with code {code}" + (f": {words}" if words else ""),
            "python -m orchestrator.worker.warm",
            "launch again, with --cold if it happens once more; runs under way go on",
        )


def _drain(pipe: IO[bytes]) -> bytes:
    """Return the whole lines still in a pipe whose writer is gone."""
    os.set_blocking(pipe.fileno(), False)
    words = pipe.read() or b""
    return words[: words.rfind(b"\n") + 1]
