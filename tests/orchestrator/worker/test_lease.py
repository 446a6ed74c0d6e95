"""Who may write a run."""

import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from orchestrator.errors import RecordError
from orchestrator.spec.codec import encode
from orchestrator.store.files import write_json
from orchestrator.store.layout import RunFolder
from orchestrator.worker.lease import (
    SILENCE,
    Lease,
    LeaseHeldError,
    check,
    give_back,
    is_alive,
    read_lease,
    take,
    wait_for_silence,
)
from orchestrator.worker.process import process_start

NOW = datetime.now(UTC)


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    folder = RunFolder(tmp_path / "run")
    folder.attempt(1).path.mkdir(parents=True)
    return folder


@pytest.fixture
def sleeper() -> Iterator[int]:
    """A process that lives until it is killed."""
    pid = os.fork()
    if pid == 0:
        signal.pause()
        os._exit(0)
    yield pid
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def lease_of(pid: int, token: str = "other") -> Lease:
    start = process_start(pid)
    assert start is not None
    mine = Lease.of_this_process(1, token)
    return replace(mine, pid=pid, process_start=start)


def test_a_run_is_taken_checked_and_given_back(folder: RunFolder) -> None:
    mine = Lease.of_this_process(1, "mine")
    take(folder, mine, NOW)
    assert read_lease(folder) == mine
    check(folder, mine)
    give_back(folder, mine)
    assert read_lease(folder) is None
    with pytest.raises(LeaseHeldError):
        check(folder, mine)


def test_a_second_writer_is_refused_while_the_first_is_alive(
    folder: RunFolder, sleeper: int
) -> None:
    take(folder, lease_of(sleeper), NOW)
    with pytest.raises(LeaseHeldError) as caught:
        take(folder, Lease.of_this_process(1, "mine"), NOW)
    assert str(sleeper) in caught.value.what
    assert read_lease(folder) == lease_of(sleeper)


def test_the_same_attempt_started_twice_is_refused_too(folder: RunFolder, sleeper: int) -> None:
    take(folder, lease_of(sleeper, "same token"), NOW)
    with pytest.raises(LeaseHeldError):
        take(folder, Lease.of_this_process(1, "same token"), NOW)


def test_the_lease_of_a_dead_process_is_taken_over(folder: RunFolder) -> None:
    pid = os.fork()
    if pid == 0:
        signal.pause()
    dead = lease_of(pid)
    take(folder, dead, NOW)
    os.kill(pid, signal.SIGKILL)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)  # it stays a zombie: gone all the same
    assert not is_alive(folder, dead, NOW)
    take(folder, Lease.of_this_process(1, "mine"), NOW)
    os.waitpid(pid, 0)


def test_another_process_of_the_same_number_does_not_count(folder: RunFolder, sleeper: int) -> None:
    lease = replace(lease_of(sleeper), process_start="before the last boot")
    assert not is_alive(folder, lease, NOW)


def test_a_holder_elsewhere_is_alive_as_long_as_it_gives_signs(folder: RunFolder) -> None:
    elsewhere = replace(Lease.of_this_process(1, "other"), host="another machine")
    take(folder, elsewhere, NOW)
    written = datetime.fromtimestamp(folder.lease.stat().st_mtime, UTC)
    assert is_alive(folder, elsewhere, written + SILENCE - timedelta(seconds=1))
    assert not is_alive(folder, elsewhere, written + SILENCE)
    folder.progress.write_text("{}")
    later = written + timedelta(minutes=10)
    os.utime(folder.progress, (later.timestamp(), later.timestamp()))
    assert is_alive(folder, elsewhere, later + SILENCE - timedelta(seconds=1))


def test_a_lower_attempt_never_takes_over(folder: RunFolder) -> None:
    folder.attempt(2).path.mkdir()
    with pytest.raises(LeaseHeldError):
        take(folder, Lease.of_this_process(1, "late"), NOW)
    take(folder, Lease.of_this_process(2, "newer"), NOW)


def test_what_was_taken_over_cannot_be_given_back_by_the_old_holder(folder: RunFolder) -> None:
    old, new = Lease.of_this_process(1, "old"), Lease.of_this_process(1, "new")
    take(folder, new, NOW)
    give_back(folder, old)
    assert read_lease(folder) == new


def test_of_many_that_want_a_stale_run_at_once_one_gets_it(folder: RunFolder) -> None:
    stale = replace(Lease.of_this_process(1, "stale"), process_start="gone")
    take(folder, stale, NOW)
    ready, go = os.pipe()
    told, tell = os.pipe()
    children: list[int] = []
    for number in range(6):
        pid = os.fork()
        if pid == 0:
            os.read(ready, 1)
            try:
                take(folder, Lease.of_this_process(1, str(number)), NOW)
                os.write(tell, b"y")
            except LeaseHeldError:
                os.write(tell, b"n")
            signal.pause()  # all stay alive until all have tried
        children.append(pid)
    os.write(go, b"x" * len(children))
    answers = b""
    while len(answers) < len(children):
        answers += os.read(told, 16)
    for pid in children:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    for end in (ready, go, told, tell):
        os.close(end)
    assert sorted(answers) == sorted(b"ynnnnn")


def test_a_damaged_lease_is_named(folder: RunFolder) -> None:
    folder.lease.write_text("{")
    with pytest.raises(RecordError) as caught:
        take(folder, Lease.of_this_process(1, "mine"), NOW)
    assert str(folder.lease) in caught.value.where


def elsewhere(folder: RunFolder, silent: timedelta) -> Lease:
    """Let another machine hold the run, last heard of some time ago."""
    lease = replace(Lease.of_this_process(1, "other"), host="another-machine")
    write_json(folder.lease, encode(lease))
    instant = (NOW - silent).timestamp()
    os.utime(folder.lease, (instant, instant))
    return lease


class Sleeps:
    """Time that passes only when somebody waits."""

    def __init__(self, does: Callable[[], None] = lambda: None, stop_after: int = 1000) -> None:
        self.count = 0
        self._does = does
        self._stop_after = stop_after

    def now(self) -> datetime:
        return NOW + timedelta(seconds=2 * self.count)

    def sleep(self, seconds: float) -> bool:
        assert seconds == 2
        self.count += 1
        self._does()
        return self.count >= self._stop_after


def test_a_silent_holder_elsewhere_is_waited_for_until_it_counts_as_gone(folder: RunFolder) -> None:
    elsewhere(folder, SILENCE - timedelta(seconds=20))
    time = Sleeps()
    mine = Lease.of_this_process(1, "mine")
    wait_for_silence(folder, mine, time.now, time.sleep)
    assert time.count == 10
    take(folder, mine, time.now())


def test_a_holder_that_speaks_again_is_waited_for_no_longer(folder: RunFolder) -> None:
    elsewhere(folder, timedelta(seconds=20))
    mine = Lease.of_this_process(1, "mine")
    time = Sleeps(lambda: os.utime(folder.lease))
    wait_for_silence(folder, mine, time.now, time.sleep)
    assert time.count == 1
    with pytest.raises(LeaseHeldError):
        take(folder, mine, time.now())


def test_who_is_told_to_stop_waits_no_longer(folder: RunFolder) -> None:
    elsewhere(folder, timedelta(0))
    time = Sleeps(stop_after=3)
    wait_for_silence(folder, Lease.of_this_process(1, "mine"), time.now, time.sleep)
    assert time.count == 3


def test_nobody_waits_for_a_process_of_this_machine(folder: RunFolder, sleeper: int) -> None:
    write_json(folder.lease, encode(lease_of(sleeper)))
    time = Sleeps()
    wait_for_silence(folder, Lease.of_this_process(1, "mine"), time.now, time.sleep)
    assert time.count == 0
