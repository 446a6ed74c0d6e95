"""Orders to jobs of a real Slurm."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from orchestrator.plan.observed import State
from tests.slurm.launching.conftest import STUDY_FILE, SlurmStudy

if TYPE_CHECKING:
    from collections.abc import Sequence

pytestmark = [pytest.mark.slurm, pytest.mark.xdist_group("slurm")]


def sweep(study: SlurmStudy, *arguments: str, more: Sequence[str] = ()) -> str:
    main = "from orchestrator.cli.main import main; main()"
    done = subprocess.run(
        [
            *(sys.executable, "-c", main, arguments[0], str(STUDY_FILE), *arguments[1:]),
            *("--results", str(study.root / "results"), *more),
        ],
        env=dict(os.environ),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_jobs_are_held_released_and_cancelled(
    study: SlurmStudy, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = study.launch_slowly(6.0)  # longer than the two commands below take on a busy machine
    waiting = next(run.run_id for run in study.plan.runs if slow in run.needs)
    sweep(study, "pause", waiting)
    assert "JobHeld" in study.box.run("squeue", "-h", "-o", "%F_%K %r").stdout
    sweep(study, "cancel", slow)
    study.wait_until(lambda: study.one_round().observed[slow].state is State.FAILED)
    assert not study.run(slow).done.exists()
    outcome = study.one_round()
    assert slow in {action.run_id for action in outcome.blocked}
    monkeypatch.setenv("TOY_SLOW", "")
    sweep(study, "retry", slow)
    sweep(study, "resume", waiting)
    study.rounds_until_done()
    assert study.contents() == study.undisturbed()


def test_the_command_submits_a_snapshot_of_the_code_and_leaves(study: SlurmStudy) -> None:
    data = ("--data", str(study.root / "data"))
    said = sweep(study, "launch", "--profile", "rehearsal", more=data)
    assert f"{len(study.plan.runs)} runs go on in the background" in said
    study.wait_until(study.is_done)
    copies = list(study.folder.code.iterdir())
    assert len(copies) == 1
    script = next(study.folder.submissions.iterdir()) / "script.sh"
    assert copies[0].name in script.read_text()


def test_a_dry_run_prints_the_scripts_and_writes_nothing(study: SlurmStudy) -> None:
    said = sweep(study, "launch", "--profile", "rehearsal", "--dry-run")
    assert "#SBATCH --dependency=after" in said
    assert f"{len(study.plan.runs)} submit" in said
    assert not study.folder.path.exists()
    assert not study.box.run("squeue", "-h").stdout


def test_a_study_that_was_stopped_goes_on_with_the_next_launch(study: SlurmStudy) -> None:
    slow = study.launch_slowly(0.5)
    study.one_round(stop=True)
    study.wait_until(lambda: not study.one_round(stop=True).live)
    assert not study.run(slow).done.exists()
    before = study.steps_done()
    study.rounds_until_done()
    assert {name: count for name, count in study.steps_done().items() if name in before} == before
    assert study.contents() == study.undisturbed()
