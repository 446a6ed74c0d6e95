"""Attempts at an evaluation as the worker makes them: several processes, a stop, a second try."""

import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from models.evaluation.evaluate import ANSWERS, FINISHED, QUESTIONS
from orchestrator.spec.execution import Execution
from orchestrator.spec.identity import run_id
from orchestrator.spec.launch import Tracking
from orchestrator.spec.run import Evaluate, Stage
from orchestrator.store.attempts import LOCAL, DataFolder, Intent, claim_attempt, write_intent
from orchestrator.store.layout import RunFolder
from orchestrator.store.records import (
    RunRecord,
    read_progress,
    write_done,
    write_result,
    write_run,
)
from orchestrator.store.stage import Progress, StageResult
from orchestrator.store.world import World
from orchestrator.worker import entry
from orchestrator.worker.exit_codes import ExitCode
from orchestrator.worker.progress import Reporter
from tests.models.evaluation.test_dealing import together

FUNCTION = "models.stages:evaluate"


def prepare(config: Evaluate, root: Path, runs: Path) -> RunFolder:
    """Write a run beside its finished parent."""
    parent = RunFolder(runs / config.parent)
    shutil.copytree(root / "runs" / config.parent, parent.path)
    write_result(parent, StageResult(measures=(), counts={}))
    write_done(parent)
    folder = RunFolder(runs / run_id(config, FUNCTION))
    record = RunRecord(
        study="study",
        run_id=folder.run_id,
        stage=Stage.EVALUATE,
        function=FUNCTION,
        config=config,
        needs=(config.parent,),
        previous=None,
        arms=("arm",),
        axes=(),
        title="evaluate",
    )
    write_run(folder, record)
    return folder


def attempt(
    folder: RunFolder, config: Evaluate, data: Path, size: int, stop_at: int | None = None
) -> list[ExitCode]:
    """Make an attempt with so many processes; the first is sent a signal at a step."""
    made = claim_attempt(folder)
    source = config.suite.data
    intent = Intent(
        attempt=made.number,
        token=f"token {made.number}",
        execution=Execution(),
        data=(DataFolder(name=source.name, version=source.version, folder=str(data)),),
        tracking=Tracking.OFF,
        backend=LOCAL,
        slot=None,
        host="here",
        time="2026-01-02T03:04:05.000+00:00",
        processes=size,
    )
    write_intent(made, intent)

    def work(world: World) -> ExitCode:
        report = Reporter.report

        def stopping(self: Reporter, progress: Progress) -> None:
            report(self, progress)
            if progress.step == stop_at:
                os.kill(os.getpid(), signal.SIGTERM)

        Reporter.report = stopping  # in this process alone, which ends with the attempt
        return entry.main(folder.path, made.number, world)

    return together(work, size)


def left(folder: RunFolder) -> dict[str, bytes]:
    """Return what a finished run leaves behind of its work."""
    paths = [folder.result, folder.metrics, folder.done]
    paths += [folder.artifacts / name for name in (ANSWERS, QUESTIONS)]
    return {path.name: path.read_bytes() for path in paths}


@pytest.mark.parametrize("size", [1, 2])
def test_a_stopped_attempt_and_the_next_leave_the_bytes_of_one_process_undisturbed(
    context_of: Callable[..., Any], root: Path, tmp_path: Path, size: int
) -> None:
    context = context_of()
    config, data = context.config, context.data(context.config.suite.data)
    undisturbed = prepare(config, root, tmp_path / "undisturbed")
    assert attempt(undisturbed, config, data, 1) == [ExitCode.DONE]
    folder = prepare(config, root, tmp_path / "several")
    assert attempt(folder, config, data, size, stop_at=2) == [ExitCode.STOPPED] * size
    assert not folder.done.exists()
    assert len(folder.metrics.read_text().splitlines()) == 2
    assert (folder.artifacts / FINISHED).is_dir()
    assert attempt(folder, config, data, size) == [ExitCode.DONE] * size
    assert left(folder) == left(undisturbed)
    progress = read_progress(folder)
    assert progress is not None
    assert (progress.first_step, progress.step, progress.position) == (2, 4, 96)
    assert not (folder.artifacts / FINISHED).exists()
