"""A whole study on a real Slurm: one launch submits it, and nobody has to stay."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from orchestrator.launch.session import outlook
from orchestrator.plan.limits import Limits
from orchestrator.plan.observed import State

if TYPE_CHECKING:
    from tests.slurm.launching.conftest import SlurmStudy

pytestmark = [pytest.mark.slurm, pytest.mark.xdist_group("slurm")]


def test_one_launch_submits_a_whole_study_which_ends_like_one_on_this_machine(
    study: SlurmStudy,
) -> None:
    outcome = study.launch()
    assert len(outcome.live) == len(study.plan.runs)
    study.wait_until(study.is_done)
    assert study.contents() == study.undisturbed()
    assert set(study.attempts().values()) == {1}
    assert set(study.steps_done().values()) == {1}


def test_launching_a_finished_study_submits_nothing(study: SlurmStudy) -> None:
    study.launch(stay=True)
    assert study.is_done()
    before = study.box.run("squeue", "--states=all", "-h", "-o", "%i").stdout
    outcome = study.launch()
    assert outcome.live == ()
    assert study.box.run("squeue", "--states=all", "-h", "-o", "%i").stdout == before
    assert set(study.attempts().values()) == {1}


SECRET = "s3cr3t-canary"


def test_no_secret_of_the_environment_is_written_anywhere(
    study: SlurmStudy, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("WANDB_API_KEY", "HF_TOKEN", "AWS_SECRET_ACCESS_KEY", "SOMETHING_ELSE"):
        monkeypatch.setenv(name, f"{SECRET}-{name}")
    study.launch(stay=True)
    assert study.is_done()
    files = [path for path in study.folder.path.rglob("*") if path.is_file()]
    assert any(path.name == "script.sh" for path in files)
    assert [path for path in files if SECRET.encode() in path.read_bytes()] == []


def test_status_asks_the_cluster_and_says_what_jobs_wait_for(study: SlurmStudy) -> None:
    slow = study.launch_slowly()
    observed = outlook(study.plan, study.folder, Limits(slots=None)).observed
    assert observed[slow].state is State.RUNNING
    below = next(run.run_id for run in study.plan.runs if slow in run.needs)
    assert (observed[below].state, observed[below].message) == (State.QUEUED, "Dependency")
    assert observed[below].waitable
