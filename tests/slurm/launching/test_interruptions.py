"""Warnings, preemption, requeues, time limits on a real Slurm: nothing lost, nothing twice."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from orchestrator.plan.causes import Cause
from orchestrator.plan.observed import State
from orchestrator.spec.slurm_site import Requeue
from orchestrator.store.attempts import read_exit
from slurm.cluster.config import ClusterConfig, Preempt, usual_partitions
from tests.slurm.launching.conftest import SlurmStudy, study_on

if TYPE_CHECKING:
    from pathlib import Path

    from tests.slurm.conftest import MakeCluster

pytestmark = [pytest.mark.slurm, pytest.mark.xdist_group("slurm")]


def most_repeated(study: SlurmStudy) -> int:
    return max(study.steps_done().values())


def test_a_warned_job_saves_goes_back_to_the_queue_by_itself_and_loses_nothing(
    study: SlurmStudy,
    policy: Requeue,
) -> None:
    first = study.launch_slowly()
    job = study.job(first)
    study.box.run("scancel", "--signal=USR2", job)
    study.wait_until(study.is_done)
    assert study.lives(first) == 2
    assert set(study.attempts().values()) == {1}, policy
    assert most_repeated(study) == 1  # it lost not one step
    assert study.contents() == study.undisturbed()


def test_a_job_requeued_by_hand_goes_on_and_writes_once_at_a_time(study: SlurmStudy) -> None:
    first = study.launch_slowly()
    study.box.run("scontrol", "requeue", study.job(first))
    study.wait_until(study.is_done)
    assert study.contents() == study.undisturbed()
    assert set(study.attempts().values()) == {1}


def test_a_job_cancelled_by_hand_blocks_what_needs_it_until_a_person_says_so(
    study: SlurmStudy,
) -> None:
    first = study.launch_slowly()
    study.box.run("scancel", study.job(first))
    study.wait_until(lambda: study.seen()[first].message != "just handed over")
    study.wait_until(lambda: study.one_round().observed[first].state is State.FAILED)
    outcome = study.one_round()
    assert outcome.observed[first].cause is Cause.CANCELLED
    assert first in {action.run_id for action in outcome.blocked}
    study.launch(retry=True)
    study.rounds_until_done()
    assert study.contents() == study.undisturbed()


def test_a_killed_worker_is_tried_again_on_the_next_round(study: SlurmStudy) -> None:
    first = study.launch_slowly()
    study.kill_worker(first)
    study.rounds_until_done()
    ending = read_exit(study.run(first).attempt(1))
    assert ending is not None
    assert ending.cause is Cause.KILLED
    assert study.attempts()[first] == 2
    assert study.contents() == study.undisturbed()


@pytest.mark.parametrize("mode", [Preempt.REQUEUE, Preempt.CANCEL])
@pytest.mark.parametrize("grace", [0, 10])
def test_preempted_jobs_go_on_under_each_policy_of_the_site(
    make_cluster: MakeCluster,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    mode: Preempt,
    grace: int,
) -> None:
    config = ClusterConfig(port=19_700, nodes=1, gpus=0, partitions=usual_partitions(mode, grace))
    box = make_cluster(config)
    study = study_on(box, tmp_path / "study", monkeypatch)
    requeue = Requeue.REQUEUE if mode is Preempt.REQUEUE else Requeue.CANCEL
    study.site = replace(study.site, requeue=requeue)
    first = study.launch_slowly()
    box.submit("sleep 3", "-p", "high", "--exclusive")
    study.wait_until(lambda: study.lives(first) > 1 or study.states()[first] is not State.RUNNING)
    study.rounds_until_done()
    assert study.contents() == study.undisturbed()
    assert study.lives(first) >= 2
    assert most_repeated(study) <= 2


@pytest.mark.slow
def test_a_run_longer_than_its_partitions_limit_chains_to_the_end_by_itself(
    study: SlurmStudy,
) -> None:
    study.profile = replace(
        study.profile,
        partitions=(replace(study.profile.partitions[0], name="brief", max_hours=1 / 60),),
    )
    first = study.launch_slowly(18)  # four steps are more than a minute
    study.wait_until(lambda: study.run(first).done.exists(), seconds=240)
    assert study.lives(first) >= 2
    assert study.attempts()[first] == 1
    assert most_repeated(study) == 1
