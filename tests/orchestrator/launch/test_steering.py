"""Runs obey a person: cancel, pause, resume, retry; by run, arm and state."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from orchestrator.errors import ConfigError
from orchestrator.launch.steering import Selection, select
from orchestrator.plan.causes import Cause
from orchestrator.plan.observed import Observed, State
from orchestrator.store.attempts import attempt_numbers, read_exit

if TYPE_CHECKING:
    from tests.orchestrator.launch.conftest import Toy


def states(toy: Toy) -> dict[str, str]:
    done = toy.sweep("status", "--json")
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return {line["run_id"]: line["state"] for line in lines}


def test_paused_runs_wait_until_they_are_resumed(toy: Toy) -> None:
    first, second = toy.of_stage("text_pretrain")[:2]
    told = toy.sweep("pause", first.run_id, "--json")
    assert json.loads(told.stdout)["done"] == "told to pause"
    outcome = toy.launch()
    assert outcome.observed[first.run_id].state is State.PLANNED
    assert not attempt_numbers(toy.folder.run(first.run_id))
    assert toy.sweep("resume", "--arm", "timing").returncode == 0
    assert toy.launch().observed[first.run_id].state is State.DONE
    assert states(toy)[second.run_id] == "done"


def test_a_cancelled_run_saves_ends_and_stays_so_until_it_is_retried(
    toy: Toy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOY_STEP_SECONDS", "3")
    first = toy.of_stage("text_pretrain")[0]
    launcher = toy.start("launch", env={})
    toy.wait_until(lambda: states(toy)[first.run_id] == "running")
    toy.sweep("cancel", first.run_id)
    launcher.communicate(timeout=60)
    ending = read_exit(toy.folder.run(first.run_id).attempt(1))
    assert ending is not None
    assert ending.cause is Cause.STOPPED
    assert toy.launch().observed[first.run_id].state is State.FAILED
    monkeypatch.setenv("TOY_STEP_SECONDS", "0")
    toy.sweep("retry", "--state", "failed")
    assert toy.launch().observed[first.run_id].state is State.DONE


def test_a_retried_run_goes_on_whatever_its_cause_was(
    toy: Toy, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing = toy.of_stage("evaluate")[0].run_id
    with monkeypatch.context() as patch:
        patch.setenv("TOY_FAIL", f"{failing}:bug")
        toy.launch()
    assert toy.launch().observed[failing].state is State.FAILED  # a bug is not tried again
    toy.sweep("retry", failing)
    assert toy.launch().observed[failing].state is State.DONE


def test_orders_need_runs_and_know_them(toy: Toy) -> None:
    seen = {run.run_id: Observed(state=State.PLANNED) for run in toy.plan.runs}
    for wrong in (Selection(), Selection(run_ids=("zzz",)), Selection(arms=("nowhere",))):
        with pytest.raises(ConfigError):
            select(toy.plan, seen, wrong)
    chosen = select(toy.plan, seen, Selection(arms=("timing",), states=(State.PLANNED,)))
    assert len(chosen) == len(toy.plan.runs)
    assert select(toy.plan, seen, Selection(states=(State.FAILED,))) == ()


def test_a_dry_run_changes_nothing(toy: Toy) -> None:
    told = toy.sweep("cancel", "--arm", "timing", "--dry-run")
    assert told.returncode == 0
    assert f"{len(toy.plan.runs)} runs" in told.stdout
    assert not toy.folder.path.exists()
