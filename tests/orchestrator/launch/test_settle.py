"""The end of a worker that left no record is judged by its exit code and its log."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from orchestrator.launch.settle import settle
from orchestrator.plan.causes import Cause
from orchestrator.store.attempts import Exit, read_exit, write_exit
from orchestrator.store.layout import RunFolder

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
MISSING = "Traceback (most recent call last):\n  File 'a', line 1\nModuleNotFoundError: No module\n"
BAD_ALLOC = "terminate called after throwing an instance of 'std::bad_alloc'\n"
FULL = "Traceback (most recent call last):\n  File 'a', line 1\nOSError: [Errno 28] No space left\n"


def settled(path: Path, code: int | None, log: str | None) -> Exit:
    folder = RunFolder(path / "0123456789ab")
    attempt = folder.attempt(1)
    attempt.path.mkdir(parents=True)
    if log is not None:
        attempt.log.write_text(log)
    settle(folder, 1, code, NOON)
    ending = read_exit(attempt)
    assert ending is not None
    return ending


@pytest.mark.parametrize(
    ("code", "log", "cause"),
    [
        (1, MISSING, Cause.BUG),
        (1, FULL, Cause.DISK_FULL),
        (74, None, Cause.DISK_FULL),
        (-6, BAD_ALLOC, Cause.HOST_MEMORY),
        (-6, "", Cause.BUG),
        (-11, None, Cause.BUG),
        (-9, MISSING, Cause.KILLED),
        (-9, None, Cause.KILLED),
        (-15, "", Cause.KILLED),
        (None, MISSING, Cause.KILLED),
        (3, "all was well\n", Cause.UNKNOWN),
        (3, None, Cause.UNKNOWN),
    ],
)
def test_what_is_left_tells_the_cause(
    tmp_path: Path, code: int | None, log: str | None, cause: Cause
) -> None:
    ending = settled(tmp_path, code, log)
    assert (ending.code, ending.cause) == (code, cause)
    assert ending.message


def test_the_message_quotes_the_log(tmp_path: Path) -> None:
    assert settled(tmp_path, 1, MISSING).message == "ModuleNotFoundError: No module"


def test_what_the_worker_wrote_itself_is_kept(tmp_path: Path) -> None:
    own = settled(tmp_path / "a", 1, MISSING)
    folder = RunFolder(tmp_path / "b" / "0123456789ab")
    folder.attempt(1).path.mkdir(parents=True)
    folder.attempt(1).log.write_text(FULL)
    write_exit(folder.attempt(1), own)
    settle(folder, 1, 1, NOON)
    assert read_exit(folder.attempt(1)) == own
