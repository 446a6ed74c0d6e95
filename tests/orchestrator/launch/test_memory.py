"""Runs of this machine that take too much memory get more of it, a few times."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from orchestrator.launch.config import LaunchConfig
from orchestrator.launch.submit import intent_of
from orchestrator.plan.causes import MEMORY_FACTOR, Cause, Ending, Remedy, next_step
from orchestrator.spec.execution import Execution
from orchestrator.store.study_plan import load_plan

TOY = Path(__file__).parent / "toy" / "study.yaml"


def test_each_try_after_the_memory_was_too_little_may_take_more(tmp_path: Path) -> None:
    run = load_plan(TOY, (), tmp_path).runs[0]
    config = LaunchConfig(data_root=tmp_path, execution=Execution(memory_gib=2.0))
    end = Ending(cause=Cause.HOST_MEMORY, progressed=False)
    allowed: list[float | None] = []
    for history in ((end,), (end, end)):
        step = next_step(history)
        assert step.remedy is Remedy.MORE_MEMORY
        intent = intent_of(config, run, len(history) + 1, "t", datetime.now(UTC), step)
        allowed.append(intent.execution.memory_gib)
    assert allowed == [2.0 * MEMORY_FACTOR, 2.0 * MEMORY_FACTOR**2]
    unlimited = replace(config, execution=Execution())
    intent = intent_of(unlimited, run, 2, "t", datetime.now(UTC), next_step((end,)))
    assert intent.execution.memory_gib is None
    assert next_step((end, end, end)).remedy is Remedy.STOP
