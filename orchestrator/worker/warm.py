"""A server that pays Python's and torch's start-up once, then forks a process for each run.

`python -m orchestrator.worker.warm package.module:function ...` reads one JSON object a line on
standard input, `{"run_dir": ..., "attempt": ...}`, and writes one a line on standard output:
`{"run_dir": ..., "attempt": ..., "pid": ...}` when an attempt has started, `{"pid": ..., "exit":
...}` when it has ended. It leaves when its input ends. Its children are sessions of their own: they
outlive it, and the launcher.

Nothing may compute or start threads before the fork; the launcher sets the number of threads in
the environment, and CUDA runs are never started this way.
"""

import gc
import json
import logging
import os
import random
import selectors
import signal
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

from orchestrator.store.layout import RunFolder
from orchestrator.worker.code import code_version
from orchestrator.worker.entry import main as run_attempt
from orchestrator.worker.environment import versions
from orchestrator.worker.exit_codes import ExitCode
from orchestrator.worker.function import load_module
from orchestrator.worker.signals import ignore_terminal

_LOG = logging.getLogger(__name__)


def main(functions: list[str]) -> None:
    """Serve until the input ends.

    Args:
        functions: dotted names of the stage functions whose modules are imported beforehand.
    """
    ignore_terminal()
    replies = os.dup(1)
    os.dup2(2, 1)  # what an import prints must not be taken for a reply
    _warm_up(functions)
    _Server(replies).serve()


def _warm_up(functions: list[str]) -> None:
    for function in functions:
        try:
            module = load_module(function)
            warm = getattr(module, "warm_up", None)
            if callable(warm):
                warm()
        except Exception:  # noqa: BLE001  (the run itself imports it again, and then records what is wrong)
            _LOG.exception("%s could not be loaded beforehand", function)
    versions()
    code_version()
    gc.collect()
    gc.freeze()  # what is there now is never looked at again, so its pages stay shared


class _Server:
    def __init__(self, replies: int) -> None:
        self._replies = replies
        self._children: set[int] = set()
        self._wake_read, self._wake_write = os.pipe()
        for end in (self._wake_read, self._wake_write):
            os.set_blocking(end, False)
        signal.signal(signal.SIGCHLD, _do_nothing)  # only so that the pipe below is written to
        signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)

    def serve(self) -> None:
        """Answer requests and tell of ends until the input is closed."""
        pending = b""
        with selectors.DefaultSelector() as selector:
            selector.register(0, selectors.EVENT_READ)
            selector.register(self._wake_read, selectors.EVENT_READ)
            while True:
                ready = {key.fd for key, _ in selector.select()}
                if self._wake_read in ready:
                    os.read(self._wake_read, 4096)
                    self._tell_ends()
                if 0 in ready:
                    chunk = os.read(0, 65536)
                    if not chunk:
                        return
                    *lines, pending = (pending + chunk).split(b"\n")
                    for line in lines:
                        self._start(json.loads(line))

    def _start(self, request: dict[str, object]) -> None:
        run_dir, attempt = str(request["run_dir"]), int(str(request["attempt"]))
        with warnings.catch_warnings():
            # Python 3.12 warns of a fork beside threads; those of an imported BLAS are idle and
            # made anew in the child by the library itself.
            warnings.simplefilter("ignore", DeprecationWarning)
            pid = os.fork()
        if pid == 0:
            self._become_worker(Path(run_dir), attempt)
        self._children.add(pid)
        self._reply({"run_dir": run_dir, "attempt": attempt, "pid": pid})

    def _become_worker(self, run_dir: Path, attempt: int) -> None:
        """Run the attempt in this fork and end it; never returns."""
        code = int(ExitCode.BUG)
        try:
            os.setsid()
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            for end in (self._wake_read, self._wake_write, self._replies):
                os.close(end)
            _redirect(RunFolder(run_dir).attempt(attempt).log)
            random.seed()
            code = int(run_attempt(run_dir, attempt))
        except BaseException:  # the last line of defence of a process: it is written down
            logging.getLogger(__name__).exception("the worker failed")
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)

    def _tell_ends(self) -> None:
        for pid, code in _ended():
            if pid in self._children:
                self._children.discard(pid)
                self._reply({"pid": pid, "exit": code})

    def _reply(self, value: dict[str, object]) -> None:
        try:
            os.write(self._replies, json.dumps(value).encode() + b"\n")
        except BrokenPipeError:  # the launcher is gone; the closed input ends the loop
            _LOG.warning("nobody listens any more")


def _do_nothing(number: int, frame: FrameType | None) -> None:
    del number, frame


def _ended() -> Iterator[tuple[int, int]]:
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        yield pid, os.waitstatus_to_exitcode(status)


def _redirect(log: Path) -> None:
    """Give this process no input, and the attempt's log for all it says."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    written = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(nothing, 0)
    os.dup2(written, 1)
    os.dup2(written, 2)
    os.close(nothing)
    os.close(written)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True)  # pyright: ignore[reportAttributeAccessIssue]


if __name__ == "__main__":
    main(sys.argv[1:])
