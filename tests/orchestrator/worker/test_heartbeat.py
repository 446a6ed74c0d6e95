"""Signs of life beside the work."""

import os
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from orchestrator.spec.codec import encode
from orchestrator.store.files import write_json
from orchestrator.store.layout import RunFolder
from orchestrator.worker.heartbeat import beating
from orchestrator.worker.lease import Lease, last_sign, take

LONG_AGO = 1_000_000.0
BEAT = 0.01


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    folder = RunFolder(tmp_path / "run")
    folder.attempt(1).path.mkdir(parents=True)
    return folder


def silenced(folder: RunFolder) -> None:
    os.utime(folder.lease, (LONG_AGO, LONG_AGO))


def has_spoken(folder: RunFolder, seconds: float = 5.0) -> bool:
    """Wait for a sign of life."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        sign = last_sign(folder)
        if sign and sign.timestamp() > LONG_AGO:
            return True
        time.sleep(BEAT)
    return False


def test_a_long_step_gives_signs_of_life_all_the_same(folder: RunFolder) -> None:
    lease = Lease.of_this_process(1, "mine")
    take(folder, lease, datetime.now(UTC))
    with beating(folder, lease, BEAT):
        silenced(folder)
        assert has_spoken(folder)
    silenced(folder)
    assert not has_spoken(folder, 20 * BEAT)


def test_who_lost_the_run_gives_no_sign_for_its_successor(folder: RunFolder) -> None:
    lease = Lease.of_this_process(1, "mine")
    take(folder, lease, datetime.now(UTC))
    write_json(folder.lease, encode(replace(lease, attempt=2, token="another")))
    with beating(folder, lease, BEAT):
        silenced(folder)
        assert not has_spoken(folder, 20 * BEAT)


def test_a_file_system_that_is_away_for_a_moment_does_not_end_the_signs(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    lease = Lease.of_this_process(1, "mine")
    take(folder, lease, datetime.now(UTC))
    original, failures = os.utime, [OSError(116, "Stale file handle")]

    def utime(*arguments: object, **options: object) -> None:
        if failures:
            raise failures.pop()
        original(*arguments, **options)  # pyright: ignore[reportArgumentType]

    silenced(folder)
    monkeypatch.setattr(os, "utime", utime)
    with beating(folder, lease, BEAT):
        assert has_spoken(folder)
    assert not failures
