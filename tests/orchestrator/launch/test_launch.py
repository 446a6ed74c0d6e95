"""What a launch promises, with real worker processes."""

import json
import os
import signal
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from orchestrator.errors import LaunchError, RecordError
from orchestrator.launch.config import Start
from orchestrator.launch.lock import launch_lock, lock_holder
from orchestrator.launch.session import end_other_launcher
from orchestrator.launch.states import Moment, observe
from orchestrator.plan.actions import Verb
from orchestrator.plan.causes import Cause
from orchestrator.plan.observed import State
from orchestrator.store.attempts import attempt_numbers, read_exit
from orchestrator.store.records import claim_study, is_done, read_result
from orchestrator.worker.lease import read_lease

if TYPE_CHECKING:
    from tests.orchestrator.launch.conftest import Toy


def all_done(toy: "Toy") -> bool:
    return all(folder.done.exists() for folder in toy.run_folders())


def someone_works(toy: "Toy") -> bool:
    return any(folder.metrics.exists() for folder in toy.run_folders())


def test_every_run_is_done_once_and_after_those_it_needs(toy: "Toy") -> None:
    outcome = toy.launch()
    assert outcome.finished == len(toy.plan.runs) == 16
    started: dict[str, datetime] = {}
    ended: dict[str, datetime] = {}
    for folder in toy.run_folders():
        assert attempt_numbers(folder) == (1,)
        ending = read_exit(folder.attempt(1))
        assert ending is not None
        assert (ending.code, ending.cause, ending.step) == (0, None, 4)
        started[folder.run_id] = datetime.fromisoformat(ending.started)
        ended[folder.run_id] = datetime.fromisoformat(ending.ended)
    for run in toy.plan.runs:
        assert all(ended[parent] <= started[run.run_id] for parent in run.needs)


def test_a_cold_start_gives_the_same_bytes_as_a_warm_one(toy: "Toy", tmp_path: Path) -> None:
    line = {toy.plan.runs[0].run_id}
    for run in toy.plan.runs:
        line |= {run.run_id} if set(run.needs) & line and run.previous is None else set()
    toy.plan = replace(toy.plan, runs=tuple(run for run in toy.plan.runs if run.run_id in line))
    assert len(toy.plan.runs) == 4
    toy.launch()
    warm = toy.contents()
    toy.root = tmp_path / "cold"
    toy.launch(toy.local(Start.COLD))
    assert toy.contents() == warm


def test_launching_a_finished_study_again_starts_and_changes_nothing(toy: "Toy") -> None:
    toy.launch()
    before = {p: p.stat().st_mtime_ns for p in toy.folder.runs.rglob("*")}
    outcome = toy.launch()
    assert outcome.finished == 0
    assert {action.verb for action in outcome.actions} == {Verb.SKIP}
    assert {p: p.stat().st_mtime_ns for p in toy.folder.runs.rglob("*")} == before


def test_a_run_that_fails_blocks_its_children_only(
    toy: "Toy", monkeypatch: pytest.MonkeyPatch
) -> None:
    failing = toy.of_stage("image_text_pretrain")[0].run_id
    monkeypatch.setenv("TOY_FAIL", f"{failing}:bug")
    outcome = toy.launch()
    blocked = {action.run_id: action.blocker for action in outcome.blocked}
    assert set(blocked.values()) == {failing}
    assert len(blocked) == 3  # itself, its fine-tuning, the evaluation of that
    assert outcome.finished == 13
    assert outcome.observed[failing].cause is Cause.BUG
    log = toy.folder.run(failing).attempt(1).log.read_text()
    assert "ZeroDivisionError: a bug of the toy" in log
    assert "Traceback" in log


def test_a_failed_run_is_tried_again_only_when_asked(
    toy: "Toy", monkeypatch: pytest.MonkeyPatch
) -> None:
    failing = toy.of_stage("finetune")[0].run_id
    monkeypatch.setenv("TOY_FAIL", f"{failing}:diverged")
    toy.launch()
    monkeypatch.delenv("TOY_FAIL")
    assert toy.launch().finished == 0
    assert attempt_numbers(toy.folder.run(failing)) == (1,)
    assert toy.launch(retry=True).finished == 2
    assert attempt_numbers(toy.folder.run(failing)) == (1, 2)


def test_a_full_disk_stops_all_submission_and_the_next_launch_goes_on(
    toy: "Toy", monkeypatch: pytest.MonkeyPatch
) -> None:
    failing = toy.of_stage("text_pretrain")[0].run_id
    monkeypatch.setenv("TOY_FAIL", f"{failing}:disk")
    outcome = toy.launch(toy.local(slots=1))
    assert outcome.observed[failing].cause is Cause.DISK_FULL
    assert outcome.finished < 15
    assert any("disk" in a.reason for a in outcome.actions if a.verb is Verb.WAIT)
    monkeypatch.delenv("TOY_FAIL")
    toy.launch()
    assert all_done(toy)


def test_a_worker_killed_twice_without_getting_further_is_left_for_the_next_launch(
    toy: "Toy", monkeypatch: pytest.MonkeyPatch
) -> None:
    failing = toy.of_stage("evaluate")[0].run_id
    monkeypatch.setenv("TOY_FAIL", f"{failing}:kill")
    outcome = toy.launch()
    ending = read_exit(toy.folder.run(failing).attempt(1))
    assert ending is not None
    assert (ending.code, ending.cause) == (-9, Cause.KILLED)
    assert ending.message == "killed by SIGKILL"
    assert attempt_numbers(toy.folder.run(failing)) == (1, 2)
    assert [action.run_id for action in outcome.blocked] == [failing]
    monkeypatch.delenv("TOY_FAIL")
    assert toy.launch().finished == 1


def test_identical_failures_trip_a_breaker(toy: "Toy", monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOY_FAIL", "evaluate:bug")
    outcome = toy.launch(toy.local(slots=1))
    tried = [run for run in toy.of_stage("evaluate") if toy.folder.run(run.run_id).path.exists()]
    assert len(tried) == 3
    waiting = [action for action in outcome.actions if action.verb is Verb.WAIT]
    assert len(waiting) == 1
    assert "3 runs failed alike (a bug of the toy)" in waiting[0].reason


def test_a_stopped_worker_checkpoints_and_the_next_goes_on_from_there(
    toy: "Toy", monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    toy.launch()
    uninterrupted = toy.contents()
    toy.root = tmp_path / "stopped"
    monkeypatch.setenv("TOY_STEP_SECONDS", "0.2")
    monkeypatch.setenv("TOY_GATE", str(tmp_path))
    first = toy.folder.run(toy.plan.runs[0].run_id)
    process = toy.start("launch", "--slots", "1", env={})
    toy.wait_until(lambda: first.metrics.exists() and bool(first.metrics.read_text()))
    end_other_launcher(toy.folder)
    toy.launch(stop=True)
    assert process.wait(10) == 130
    ending = read_exit(first.attempt(1))
    assert ending is not None
    assert (ending.code, ending.cause) == (75, Cause.STOPPED)
    assert read_lease(first) is None
    monkeypatch.setenv("TOY_STEP_SECONDS", "0")
    toy.launch()
    assert attempt_numbers(first) == (1, 2)
    assert toy.contents() == uninterrupted
    marks = [path.read_text() for path in tmp_path.glob(f"{first.run_id}.*")]
    assert marks == ["x"] * 4  # no step was done twice
    process.communicate()


def test_after_ctrl_c_the_runs_go_on_and_the_next_launch_takes_them_up(
    toy: "Toy", monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    toy.launch()
    uninterrupted = toy.contents()
    toy.root = tmp_path / "interrupted"
    monkeypatch.setenv("TOY_GATE", str(tmp_path))
    process = toy.start("launch", "--slots", "2", env={"TOY_STEP_SECONDS": "1.0"})
    toy.wait_until(lambda: someone_works(toy))
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to all of the launcher's group
    out, err = process.communicate(timeout=15.0)  # all runs together take longer
    assert process.returncode == 130, err
    assert "2 runs go on in the background" in out
    assert "sweep launch" in out
    toy.launch()
    assert toy.contents() == uninterrupted
    assert all(attempt_numbers(folder) == (1,) for folder in toy.run_folders())
    assert {path.read_text() for path in tmp_path.glob("*.[0-9]")} == {"x"}


def test_ctrl_c_while_the_worker_warms_up_leaves_at_once_and_nothing_hangs(toy: "Toy") -> None:
    process = toy.start("launch", "--slots", "2", env={"TOY_WARM_SECONDS": "200"})
    first = toy.folder.run(toy.plan.runs[0].run_id)
    toy.wait_until(lambda: first.path.exists() and first.attempt(1).intent.exists())
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=30.0)  # warming up takes longer
    assert process.returncode == 130, err
    assert "in the background" not in out
    began = time.monotonic()
    assert toy.launch().finished == 16
    assert time.monotonic() - began < 100  # it does not wait for processes that never came


def test_a_killed_launcher_loses_nothing(
    toy: "Toy", monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TOY_GATE", str(tmp_path))
    process = toy.start("launch", "--slots", "2", env={"TOY_STEP_SECONDS": "0.2"})
    toy.wait_until(lambda: sum(f.metrics.exists() for f in toy.run_folders()) >= 2)
    process.kill()
    process.communicate()
    working = [folder for folder in toy.run_folders() if read_lease(folder)]
    now = datetime.now(UTC)
    seen = observe(toy.folder, toy.plan, Moment(now=now, since=now))
    assert working
    assert {seen[folder.run_id].state for folder in working} == {State.RUNNING}
    assert toy.launch().finished == 16
    assert all(attempt_numbers(folder) == (1,) for folder in working)
    assert {path.read_text() for path in tmp_path.glob("*.[0-9]")} == {"x"}


def test_a_second_launch_at_once_is_refused_and_says_who_works(toy: "Toy") -> None:
    claim_study(toy.folder, "toy")
    with launch_lock(toy.folder, datetime.now(UTC)):
        refused = toy.sweep("launch")
        assert refused.returncode == 2
        assert f"process {os.getpid()}" in refused.stderr
        assert not toy.folder.runs.exists()
        holder = lock_holder(toy.folder)
        assert holder is not None
        assert holder.pid == os.getpid()
    assert lock_holder(toy.folder) is None


def test_the_folder_of_another_study_is_left_alone(toy: "Toy") -> None:
    claim_study(toy.folder, "other")
    with pytest.raises(RecordError) as caught:
        toy.launch()
    assert "'other'" in caught.value.what
    assert "'toy'" in caught.value.what
    assert [path.name for path in toy.folder.path.iterdir()] == ["study.json"]


def test_once_starts_what_fits_and_leaves(toy: "Toy") -> None:
    left = toy.sweep("launch", "--once", "--slots", "2", env={"TOY_STEP_SECONDS": "0.05"})
    assert left.returncode == 0, left.stderr
    begun = [folder for folder in toy.run_folders() if folder.path.exists()]
    assert len(begun) == 2
    toy.wait_until(lambda: all(folder.done.exists() for folder in begun))


def test_a_dry_run_prints_the_actions_of_the_real_one_and_writes_nothing(toy: "Toy") -> None:
    shown = toy.sweep("launch", "--dry-run", "--slots", "1")
    assert shown.returncode == 0, shown.stderr
    assert not toy.results.exists()
    first = shown.stdout.split()[:2]
    assert first == ["submit", toy.plan.runs[0].run_id]
    assert shown.stdout.strip().endswith("1 submit, 15 wait")


def test_failures_are_listed_with_their_logs_and_the_exit_code_says_so(toy: "Toy") -> None:
    failing = toy.of_stage("text_pretrain")[0].run_id
    launched = toy.sweep("launch", env={"TOY_FAIL": f"{failing}:data"})
    assert launched.returncode == 3
    assert f"failed: {failing}: data_error: the toy is broken" in launched.stdout
    assert str(toy.folder.run(failing).attempt(1).log) in launched.stdout
    lines = [json.loads(line) for line in toy.sweep("status", "--json").stdout.splitlines()]
    states = {line["run_id"]: (line["state"], line["blocked_by"]) for line in lines}
    assert states[failing] == ("failed", failing)
    assert sum(by == failing for _, by in states.values()) == 8  # half of the runs
    log = toy.sweep("logs", failing[:6])
    assert "mend:  mend the toy" in log.stdout


def test_runs_outlive_a_warm_worker_that_is_killed(
    toy: "Toy", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOY_STEP_SECONDS", "0.1")
    first = toy.folder.run(toy.plan.runs[0].run_id)

    def kill_the_server() -> bool:
        lease = read_lease(first) if first.path.exists() else None
        if lease and not killed:
            server = int(Path(f"/proc/{lease.pid}/stat").read_text().rpartition(")")[2].split()[1])
            os.kill(server, signal.SIGKILL)
            killed.append(server)
        return False

    killed: list[int] = []
    with pytest.raises(LaunchError) as caught:
        toy.launch(interrupted=kill_the_server)
    assert "--cold" in caught.value.mend
    toy.wait_until(lambda: is_done(first))
    assert read_result(first).counts["steps"] == 4
