"""The files a run keeps while it works."""

import json
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from orchestrator.store.layout import RunFolder
from orchestrator.store.records import read_progress
from orchestrator.store.stage import Progress
from orchestrator.worker.clock import Clock
from orchestrator.worker.progress import Reporter
from tests.orchestrator.store.made_records import INTENT

START = datetime(2026, 1, 1, tzinfo=UTC)


class Time:
    """A clock that a test turns."""

    def __init__(self) -> None:
        self.at = 0.0

    def clock(self) -> Clock:
        return Clock(now=lambda: START + timedelta(seconds=self.at), seconds=lambda: self.at)


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return RunFolder(tmp_path)


ON_FOUR = replace(INTENT, processes=4, step_flops=3e13, peak_teraflops=100.0)


def reporter(folder: RunFolder, time: Time, attempt: int = 1, **change: Any) -> Reporter:
    intent = replace(ON_FOUR, attempt=attempt, **change)
    return Reporter(folder, intent, clock=time.clock(), still_ours=lambda: None)


def report(to: Reporter, steps: Iterable[int]) -> None:
    for step in steps:
        values = {"learning_rate": 1 / step}
        to.report(Progress(step=step, steps=9, position=step * 4, loss=2.0 / step, values=values))


def test_metrics_of_an_interrupted_run_are_those_of_an_uninterrupted_one(
    folder: RunFolder, tmp_path: Path
) -> None:
    whole = RunFolder(tmp_path / "whole")
    whole.path.mkdir()
    once = reporter(whole, Time())
    report(once, range(1, 10))
    once.close()

    first = reporter(folder, Time())
    report(first, range(1, 7))  # killed here: never closed; the checkpoint is of step 4
    with folder.metrics.open("a") as metrics:
        metrics.write('{"step": 7, "lo')
    second = reporter(folder, Time(), attempt=2)
    second.resumed(4)
    report(second, range(5, 10))
    second.close()
    assert folder.metrics.read_bytes() == whole.metrics.read_bytes()
    progress = read_progress(folder)
    assert progress is not None
    assert (progress.attempt, progress.first_step, progress.step) == (2, 4, 9)
    first.close()


def test_an_attempt_from_the_beginning_drops_all_earlier_lines(folder: RunFolder) -> None:
    first = reporter(folder, Time())
    report(first, range(1, 4))
    first.close()
    second = reporter(folder, Time(), attempt=2)
    report(second, range(1, 3))
    second.close()
    assert [json.loads(line)["step"] for line in folder.metrics.read_text().splitlines()] == [1, 2]


def test_a_resumed_run_with_nothing_more_to_do_keeps_its_lines(folder: RunFolder) -> None:
    first = reporter(folder, Time())
    report(first, range(1, 4))
    first.close()
    before = folder.metrics.read_bytes()
    second = reporter(folder, Time(), attempt=2)
    second.resumed(3)
    second.close()
    assert folder.metrics.read_bytes() == before


def test_each_line_is_there_at_once_and_progress_once_a_second(folder: RunFolder) -> None:
    time = Time()
    to = reporter(folder, time)
    written: list[int] = []
    for step in range(1, 31):
        time.at += 0.125
        report(to, [step])
        assert len(folder.metrics.read_text().splitlines()) == step
        progress = read_progress(folder)
        assert progress is not None
        written.append(progress.step)
    assert written[0] == 1
    assert len(set(written)) == 4
    progress = read_progress(folder)
    assert progress is not None
    assert progress.steps_per_second == pytest.approx(8)
    assert progress.heartbeat == "2026-01-01T00:00:03.125+00:00"
    to.close()
    last = read_progress(folder)
    assert last is not None
    assert last.step == 30


def test_asking_whether_to_stop_is_a_sign_of_life(folder: RunFolder) -> None:
    time = Time()
    to = reporter(folder, time)
    report(to, [1])
    time.at += 60
    to.beat()
    progress = read_progress(folder)
    assert progress is not None
    assert progress.heartbeat == "2026-01-01T00:01:00.000+00:00"
    to.close()


def test_the_use_of_devices_is_their_share_of_the_peak(folder: RunFolder) -> None:
    """Two steps of 30 TFLOP a second on four devices of 100 TFLOP/s: 60 of 400."""
    time = Time()
    to = reporter(folder, time)
    report(to, [1])
    assert "mfu" not in to.usage()
    time.at = 5.0
    to.report(Progress(step=11, steps=99, position=1, device_memory_mib=70.5))
    progress = read_progress(folder)
    assert progress is not None
    assert progress.mfu == pytest.approx(0.15)
    assert progress.device_memory_mib == 70.5
    assert progress.memory_mib is not None
    assert progress.memory_mib > 10
    assert to.usage() == {
        "steps_per_second": 2.0,
        "mfu": progress.mfu,
        "memory_mib": pytest.approx(progress.memory_mib, rel=0.5),
        "device_memory_mib": 70.5,
    }
    assert to.mean_mfu() == pytest.approx(2.2 * 0.3 / 4)
    assert "device_memory_mib" not in folder.metrics.read_text()
    to.close()


@pytest.mark.parametrize("unknown", ["step_flops", "peak_teraflops"])
def test_a_use_that_nobody_can_know_is_absent(folder: RunFolder, unknown: str) -> None:
    time = Time()
    change: dict[str, Any] = {unknown: None}
    to = reporter(folder, time, **change)
    report(to, [1])
    time.at = 5.0
    report(to, [2])
    progress = read_progress(folder)
    assert progress is not None
    assert progress.steps_per_second == pytest.approx(0.2)
    assert (progress.mfu, to.mean_mfu()) == (None, None)
    to.close()


def test_what_is_no_number_is_null_and_the_line_stays_json(folder: RunFolder) -> None:
    to = reporter(folder, Time())
    to.report(Progress(step=1, steps=1, position=1, loss=float("nan"), values={"z": float("inf")}))
    to.close()
    line = json.loads(folder.metrics.read_text())
    assert line == {"step": 1, "position": 1, "loss": None, "z": None}


def test_a_run_taken_over_stops_at_the_next_sign_of_life(folder: RunFolder) -> None:
    def gone() -> None:
        raise RuntimeError("taken")

    to = Reporter(folder, ON_FOUR, clock=Time().clock(), still_ours=gone)
    with pytest.raises(RuntimeError):
        report(to, [1])
    assert not folder.progress.exists()
    to.close()
