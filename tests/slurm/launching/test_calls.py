"""The launcher is light on the controller: wrappers around the commands count its calls."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from orchestrator.launch.open_attempts import open_attempt

if TYPE_CHECKING:
    from pathlib import Path

    from tests.slurm.launching.conftest import SlurmStudy

pytestmark = [pytest.mark.slurm, pytest.mark.xdist_group("slurm")]

COMMANDS = ("squeue", "sacct", "sbatch", "scancel", "scontrol", "sinfo")


class Calls:
    """Wrappers first on PATH that write down each call and then make it."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._log = folder / "calls.txt"
        self._log.touch()
        for name in COMMANDS:
            real = shutil.which(name)
            wrapper = folder / name
            wrapper.write_text(f'#!/bin/sh\necho {name} >> "{self._log}"\nexec {real} "$@"\n')
            wrapper.chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")

    def taken(self) -> Counter[str]:
        """Return the calls since the last time."""
        found = Counter(self._log.read_text().split())
        self._log.write_text("")
        return found


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Calls:
    folder = tmp_path / "wrappers"
    folder.mkdir()
    return Calls(folder, monkeypatch)


def test_a_round_asks_the_queue_once_and_the_accounts_at_most_once(
    study: SlurmStudy, calls: Calls
) -> None:
    slow = study.launch_slowly()
    first = calls.taken()
    assert first["squeue"] == 1
    assert first["sacct"] == 0
    arrays = len(list(study.folder.submissions.iterdir()))
    assert first["sbatch"] == arrays < len(study.plan.runs)
    study.one_round()
    assert calls.taken() == Counter(squeue=1)
    study.kill_worker(slow)
    study.wait_until(lambda: "FAILED" in study.box.run("squeue", "--states=all", "-o", "%T").stdout)
    calls.taken()
    study.one_round()
    assert calls.taken() <= Counter(squeue=1, sacct=1, sbatch=arrays, scancel=1)
    study.rounds_until_done()


def test_a_finished_study_asks_once_and_submits_nothing(study: SlurmStudy, calls: Calls) -> None:
    study.launch(stay=True)
    calls.taken()
    study.launch()
    assert calls.taken() == Counter(squeue=1)
    assert all(
        open_attempt(study.run(run.run_id)) is None or study.run(run.run_id).done.exists()
        for run in study.plan.runs
    )
