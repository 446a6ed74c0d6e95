"""One attempt, whatever happens to it."""

import json
import os
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from orchestrator.errors import ConfigError, DataError
from orchestrator.plan.causes import Cause
from orchestrator.spec.execution import Execution
from orchestrator.spec.source import DataSource
from orchestrator.store.attempts import CLUSTER, read_exit, read_lives, write_exit
from orchestrator.store.layout import RunFolder
from orchestrator.store.records import is_done, read_progress, read_result
from orchestrator.store.stage import (
    DivergedError,
    Progress,
    StageContext,
    StageResult,
    StoppedError,
)
from orchestrator.worker.exit_codes import CAUSES, ExitCode
from orchestrator.worker.lease import read_lease

if TYPE_CHECKING:
    from tests.orchestrator.worker.conftest import Bench


def failing(error: BaseException) -> Callable[[StageContext], StageResult]:
    def stage(context: StageContext) -> StageResult:
        context.report(Progress(step=1, steps=3, position=2))
        raise error

    return stage


class OutOfMemoryError(RuntimeError):
    """As torch calls it."""


def test_a_finished_attempt_leaves_its_result_and_no_lease(bench: "Bench") -> None:
    assert bench.attempt() == ExitCode.DONE
    assert is_done(bench.folder)
    assert read_result(bench.folder).counts == {"steps": 3}
    assert read_lease(bench.folder) is None
    ending = read_exit(bench.folder.attempt(1))
    assert ending is not None
    assert (ending.code, ending.cause, ending.step) == (0, None, 3)
    progress = read_progress(bench.folder)
    assert progress is not None
    assert (progress.step, progress.steps, progress.position) == (3, 3, 6)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (StoppedError(), ExitCode.STOPPED),
        (DivergedError("loss is nan at step 1"), ExitCode.DIVERGED),
        (DataError("a shard is cut off", "text/0.tar", "fetch it again"), ExitCode.DATA),
        (ConfigError("width is 3", "width", "give 4"), ExitCode.CONFIG),
        (OSError(28, "No space left on device"), ExitCode.DISK_FULL),
        (OSError(122, "Disk quota exceeded"), ExitCode.DISK_FULL),
        (MemoryError(), ExitCode.OUT_OF_MEMORY),
        (OutOfMemoryError("CUDA out of memory"), ExitCode.OUT_OF_MEMORY),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), ExitCode.OUT_OF_MEMORY),
        (FileNotFoundError(2, "No such file"), ExitCode.BUG),
        (ZeroDivisionError("division by zero"), ExitCode.BUG),
        (SystemExit(0), ExitCode.BUG),
    ],
)
def test_each_way_to_fail_has_its_code_and_cause(
    bench: "Bench", error: BaseException, code: ExitCode
) -> None:
    assert bench.attempt(failing(error)) == code
    ending = read_exit(bench.folder.attempt(1))
    assert ending is not None
    assert (ending.code, ending.cause, ending.step) == (code, CAUSES[code], 1)
    assert not bench.folder.done.exists()
    assert read_lease(bench.folder) is None
    assert ("Traceback" in bench.said()) == (code is ExitCode.BUG)


def test_a_mendable_error_is_told_with_its_place_and_remedy(bench: "Bench") -> None:
    bench.attempt(failing(DataError("a shard is cut off", "text/0.tar", "fetch it again")))
    for word in ("a shard is cut off", "where: text/0.tar", "mend:  fetch it again"):
        assert word in bench.said()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR2])
def test_a_stop_signal_only_sets_a_flag_and_ctrl_c_is_ignored(
    bench: "Bench", number: signal.Signals
) -> None:
    def stage(context: StageContext) -> StageResult:
        os.kill(os.getpid(), signal.SIGINT)
        assert not context.stop_requested()
        os.kill(os.getpid(), number)
        assert context.stop_requested()
        raise StoppedError

    assert bench.attempt(stage) == ExitCode.STOPPED


def warned(context: StageContext) -> StageResult:
    """Take a step, and be told that the place is nearly gone."""
    context.report(Progress(step=1, steps=3, position=2))
    os.kill(os.getpid(), signal.SIGUSR2)
    raise StoppedError


def test_a_warned_job_that_got_further_asks_to_be_started_again(bench: "Bench") -> None:
    assert bench.attempt(warned) == ExitCode.WARNED


def test_a_warned_job_that_got_no_further_does_not_go_round_in_circles(bench: "Bench") -> None:
    def stage(context: StageContext) -> StageResult:
        context.resumed(1)
        context.report(Progress(step=1, steps=3, position=2))
        os.kill(os.getpid(), signal.SIGUSR2)
        raise StoppedError

    assert bench.attempt(stage) == ExitCode.STOPPED


def test_the_next_life_of_a_job_goes_on_with_its_attempt(bench: "Bench") -> None:
    bench.backend = CLUSTER
    assert bench.attempt(warned) == ExitCode.WARNED
    assert bench.attempt(attempt=1) == ExitCode.DONE
    ending = read_exit(bench.folder.attempt(1))
    assert ending is not None
    assert ending.code == 0
    assert [life.code for life in read_lives(bench.folder.attempt(1))] == [ExitCode.WARNED]


def test_a_job_that_comes_back_after_its_attempt_was_closed_leaves_the_run_alone(
    bench: "Bench",
) -> None:
    bench.backend = CLUSTER
    bench.attempt(warned)
    attempt = bench.folder.attempt(1)
    ending = read_exit(attempt)
    assert ending is not None
    write_exit(attempt, replace(ending, job_state="NODE_FAIL"))
    before = attempt.exit.read_bytes()
    assert bench.attempt(attempt=1) == ExitCode.LEASE_HELD
    assert not is_done(bench.folder)
    assert attempt.exit.read_bytes() == before


def test_a_stage_publishes_only_while_the_run_is_its_own(bench: "Bench") -> None:
    def stage(context: StageContext) -> StageResult:
        with context.holding():
            (context.folder.path / "mine").touch()
        lease = json.loads(context.folder.lease.read_text())
        context.folder.lease.write_text(json.dumps({**lease, "token": "another", "attempt": 2}))
        with context.holding():
            (context.folder.path / "too late").touch()
        raise AssertionError

    assert bench.attempt(stage) == ExitCode.LEASE_HELD
    assert (bench.folder.path / "mine").exists()
    assert not (bench.folder.path / "too late").exists()


@pytest.mark.parametrize(
    "function", ["nowhere.at.all:stage", "json:no_such_function", "json", "json:__doc__"]
)
def test_a_function_that_is_not_there_is_a_config_error(bench: "Bench", function: str) -> None:
    number = bench.prepare(function).number
    assert bench.attempt(attempt=number) == ExitCode.CONFIG
    assert function in bench.said()


def test_missing_data_is_found_before_the_work(bench: "Bench") -> None:
    number = bench.prepare().number
    bench.data.rmdir()
    assert bench.attempt(attempt=number) == ExitCode.DATA
    assert str(bench.data) in bench.said()


def test_the_stage_sees_its_data_and_only_the_runs_it_needs(bench: "Bench") -> None:
    def stage(context: StageContext) -> StageResult:
        assert context.data(DataSource(name="world/scenes", version="1")) == bench.data
        with pytest.raises(DataError):
            context.data(DataSource(name="world/scenes", version="2"))
        assert context.previous() is None
        context.parent("000000000000")
        raise AssertionError

    assert bench.attempt(stage) == ExitCode.INPUT
    assert "none of the runs" in bench.said()


def test_a_parent_that_is_not_done_keeps_the_child_from_running(bench: "Bench") -> None:
    bench.needs = ("111111111111",)
    assert bench.attempt() == ExitCode.NOT_READY
    parent = RunFolder(bench.folder.path.with_name("111111111111"))
    parent.path.mkdir()
    parent.result.write_text("{}")
    parent.done.write_text(json.dumps({"format": 1, "sha256": "of something else"}))
    assert bench.attempt() == ExitCode.INPUT
    assert "not the one that DONE vouches for" in bench.said()
    assert not bench.folder.metrics.exists()


def test_a_run_that_is_done_is_not_done_again(bench: "Bench") -> None:
    bench.attempt()
    before = bench.folder.result.stat().st_mtime_ns
    assert bench.attempt(failing(AssertionError())) == ExitCode.DONE
    assert bench.folder.result.stat().st_mtime_ns == before


def test_a_late_attempt_leaves_the_run_to_the_newer_one(bench: "Bench") -> None:
    bench.prepare()
    bench.prepare()
    assert bench.attempt(attempt=1) == ExitCode.LEASE_HELD
    assert bench.attempt(attempt=2) == ExitCode.DONE


def test_a_worker_whose_lease_was_taken_writes_no_result(bench: "Bench") -> None:
    def stage(context: StageContext) -> StageResult:
        lease = json.loads(context.folder.lease.read_text())
        context.folder.lease.write_text(json.dumps({**lease, "token": "another", "attempt": 2}))
        return StageResult(measures=(), counts={})

    assert bench.attempt(stage) == ExitCode.LEASE_HELD
    assert not bench.folder.result.exists()
    assert read_lease(bench.folder) is not None  # the other's


def test_no_secret_of_the_environment_reaches_the_run_folder(
    bench: "Bench", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_API_KEY", "canary-1")
    monkeypatch.setenv("HF_TOKEN", "canary-2")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    bench.attempt()
    environment = json.loads(bench.folder.attempt(1).environment.read_text())
    assert environment["variables"]["OMP_NUM_THREADS"] == "1"
    assert environment["versions"]["numpy"]
    for path in bench.folder.path.rglob("*"):
        assert not path.is_file() or b"canary" not in path.read_bytes(), path


def test_every_code_but_done_has_a_cause() -> None:
    assert set(CAUSES) == set(ExitCode) - {ExitCode.DONE}


def test_a_process_that_takes_more_memory_than_allowed_ends_with_that_cause(bench: "Bench") -> None:
    def stage(context: StageContext) -> StageResult:
        context.report(Progress(step=1, steps=3, position=2))
        taken = [bytearray(b"x" * 2**20) for _ in range(600)]
        time.sleep(30)
        raise AssertionError(len(taken))

    bench.execution = Execution(memory_gib=0.5)
    assert bench.attempt(stage) == ExitCode.HOST_MEMORY
    ending = read_exit(bench.folder.attempt(1))
    assert ending is not None
    assert (ending.cause, ending.step) == (Cause.HOST_MEMORY, 1)
    assert "0.5 GiB" in (ending.message or "")
    assert read_lease(bench.folder) is None
    bench.execution = Execution(memory_gib=4.0)
    assert bench.attempt() == ExitCode.DONE
