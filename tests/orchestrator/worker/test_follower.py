"""Processes beside the first: they wait for its lease, and for nothing else."""

from __future__ import annotations

import sys
import types
from typing import TYPE_CHECKING

import pytest

from orchestrator.errors import LaunchError
from orchestrator.store.attempts import read_intent
from orchestrator.store.stage import StageContext, StageResult
from orchestrator.store.world import World
from orchestrator.worker.exit_codes import ExitCode
from orchestrator.worker.follower import PATIENCE_SECONDS, follow
from orchestrator.worker.lease import Lease, take
from orchestrator.worker.signals import StopFlag
from tests.orchestrator.worker.conftest import NOW, three_steps

if TYPE_CHECKING:
    from tests.orchestrator.worker.conftest import Bench

SECOND = World(rank=1, size=2)


def test_it_computes_once_the_first_one_holds_the_run_and_writes_nothing(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempt = bench.prepare()
    seen: list[World] = []

    def stage(context: StageContext) -> StageResult:
        seen.append(context.world)
        with context.holding():  # of nothing: only the first one publishes
            return three_steps(context)

    module = types.ModuleType("stage_of_a_test")
    module.__dict__["stage"] = stage
    monkeypatch.setitem(sys.modules, module.__name__, module)
    take(bench.folder, Lease.of_this_process(1, read_intent(attempt).token), NOW)
    before = sorted(bench.folder.path.iterdir())
    assert follow(bench.folder, attempt, SECOND, StopFlag()) == ExitCode.DONE
    assert seen == [SECOND]
    assert sorted(bench.folder.path.iterdir()) == before


def test_it_leaves_with_the_first_one_that_never_began(bench: Bench) -> None:
    attempt = bench.prepare()
    bench.data.rmdir()
    assert bench.attempt(attempt=1) == ExitCode.DATA
    assert follow(bench.folder, attempt, SECOND, StopFlag()) == ExitCode.DATA


def test_it_has_nothing_to_do_in_a_run_that_is_done(bench: Bench) -> None:
    bench.attempt()
    attempt = bench.prepare()
    assert follow(bench.folder, attempt, SECOND, StopFlag()) == ExitCode.DONE


def test_it_does_not_wait_for_ever(bench: Bench) -> None:
    attempt = bench.prepare()
    times = iter((0.0, PATIENCE_SECONDS + 1))
    with pytest.raises(LaunchError, match="did not come"):
        follow(bench.folder, attempt, SECOND, StopFlag(), seconds=lambda: next(times))
