"""Disasters of a real Slurm: lost controllers, nodes, databases; launchers that die or meet."""

from __future__ import annotations

import os
import shutil
import signal
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from orchestrator.errors import LaunchError
from orchestrator.launch.lock import launch_lock
from orchestrator.launch.slurm import handing
from orchestrator.plan.causes import Cause
from orchestrator.plan.observed import State
from orchestrator.spec.slurm_site import Requeue
from orchestrator.store.attempts import read_exit
from orchestrator.worker.lease import read_lease
from slurm.cluster.config import ClusterConfig
from slurm.cluster.processes import kill
from slurm.cluster.starting import start_again
from tests.slurm.launching.conftest import SlurmStudy, study_on

if TYPE_CHECKING:
    from pathlib import Path

    from tests.slurm.conftest import MakeCluster

pytestmark = [pytest.mark.slurm, pytest.mark.xdist_group("slurm")]


@pytest.fixture
def two_nodes(
    make_cluster: MakeCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> SlurmStudy:
    """The study on a cluster of its own, without accounts, whose nodes may die."""
    config = ClusterConfig(port=19_700, nodes=2, gpus=0)
    return study_on(make_cluster(config), tmp_path / "study", monkeypatch)


def ends_like_undisturbed(study: SlurmStudy) -> None:
    assert study.contents() == study.undisturbed()
    before = study.attempts()
    assert study.one_round().live == ()
    assert study.attempts() == before


class DiedError(BaseException):
    """The launcher was killed here."""


@pytest.mark.parametrize("place", ["claim_with_intent", "write_submission", "write_number"])
def test_a_launcher_that_dies_at_a_write_leaves_no_run_lost_or_doubled(
    study: SlurmStudy, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    def die(*_: object, **__: object) -> None:
        raise DiedError

    with monkeypatch.context() as patch:
        patch.setattr(handing, place, die)
        with pytest.raises(DiedError):
            study.one_round()
    if place != "write_number":  # `sbatch` was never called: after the grace time it is clear
        study.ahead = timedelta(minutes=4)
    study.rounds_until_done()
    assert set(study.steps_done().values()) == {1}
    ends_like_undisturbed(study)


def test_jobs_of_a_launcher_killed_after_sbatch_are_found_again_by_their_token(
    study: SlurmStudy, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_: object) -> None:
        raise DiedError

    with monkeypatch.context() as patch:
        patch.setattr(handing, "write_number", die)
        with pytest.raises(DiedError):
            study.one_round()
    firsts = study.of_stage("text_pretrain")[:1]
    assert all(study.attempts()[name] == 1 for name in firsts)
    assert study.seen()[firsts[0]].state is not State.UNKNOWN
    study.rounds_until_done()
    assert set(study.attempts().values()) == {1}


def test_two_launchers_at_once_submit_each_run_once(study: SlurmStudy) -> None:
    study.make_data()
    with ThreadPoolExecutor(2) as pool:
        rounds = [pool.submit(study.one_round) for _ in range(2)]
    for finished in rounds:
        finished.result()
    study.rounds_until_done()
    assert set(study.attempts().values()) == {1}
    assert set(study.steps_done().values()) == {1}
    ends_like_undisturbed(study)


def test_a_second_launcher_on_the_same_machine_is_told_who_the_first_is(study: SlurmStudy) -> None:
    study.launch()
    with launch_lock(study.folder, study.now()), pytest.raises(LaunchError, match="already"):
        study.launch()


def test_a_failed_parent_never_lets_its_children_run_and_mending_it_does(
    study: SlurmStudy, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = study.of_stage("text_pretrain")[0]
    with monkeypatch.context() as patch:
        patch.setenv("TOY_FAIL", f"{first}:bug")
        study.launch()
        below = [run.run_id for run in study.plan.runs if first in run.needs]
        study.wait_until(lambda: any(seen.stuck for seen in study.seen().values()))
    study.wait_until(lambda: not study.one_round().live)
    outcome = study.one_round()
    assert outcome.observed[first].cause is Cause.BUG
    assert all(outcome.observed[name].state is not State.DONE for name in below)
    assert all(f"{name}.1" not in study.steps_done() for name in below)
    study.launch(retry=True)
    study.rounds_until_done()
    ends_like_undisturbed(study)


def test_a_controller_killed_right_after_a_submission_loses_no_run_and_doubles_none(
    two_nodes: SlurmStudy,
) -> None:
    study = two_nodes
    study.box.submit("true")  # another user's job has the first number
    study.launch()
    kill((study.box.daemon("slurmctld"),))
    assert {seen.state for seen in study.seen().values()} <= {
        State.UNKNOWN,
        State.RUNNING,
        State.DONE,
    }
    attempts = study.attempts()
    study.one_round()
    assert study.attempts() == attempts  # nobody could be asked: nothing is submitted
    start_again("slurmctld", study.box.folder)
    study.ahead = timedelta(minutes=4)  # what Slurm does not know by then, it has lost
    study.rounds_until_done()
    assert set(study.steps_done().values()) <= {1, 2}
    ends_like_undisturbed(study)


def test_the_queue_may_be_silent_for_a_while(two_nodes: SlurmStudy) -> None:
    study = two_nodes  # a controller that lost its newest state starts jobs twice: they are held
    slow = study.launch_slowly(3.0)
    kill((study.box.daemon("slurmctld"),))
    try:
        outcome = study.one_round()
        assert outcome.observed[slow].state is State.RUNNING  # its lease says so
        assert State.FAILED not in {seen.state for seen in outcome.observed.values()}
    finally:
        start_again("slurmctld", study.box.folder)
    study.ahead = timedelta(minutes=4)  # a controller that was killed has lost what was new
    study.rounds_until_done()
    ends_like_undisturbed(study)


@pytest.mark.parametrize("policy", list(Requeue))
def test_a_run_on_a_node_that_lost_its_daemon_goes_on_there_and_nowhere_else(
    two_nodes: SlurmStudy, policy: Requeue
) -> None:
    study = two_nodes
    study.site = replace(study.site, requeue=policy)
    slow = study.launch_slowly(8.0)
    node = read_lease(study.run(slow))
    assert node is not None
    kill((study.box.daemon(f"slurmd.{node.host}"),))
    study.wait_until(lambda: "down" in study.box.run("sinfo", "-h", "-o", "%t").stdout)
    study.wait_until(lambda: study.run(slow).done.exists())
    assert {n: c for n, c in study.steps_done().items() if n.startswith(slow)} == {
        f"{slow}.{step}": 1 for step in (1, 2, 3, 4)
    }
    start_again(f"slurmd.{node.host}", study.box.folder)
    study.ahead = timedelta(minutes=6)
    study.rounds_until_done()
    ends_like_undisturbed(study)


def test_a_process_that_was_frozen_while_another_took_its_run_cannot_harm_it(
    two_nodes: SlurmStudy,
) -> None:
    study = two_nodes
    slow = study.launch_slowly(2.0)
    stale = read_lease(study.run(slow))
    assert stale is not None
    kill((study.box.daemon(f"slurmd.{stale.host}"),))
    os.kill(stale.pid, signal.SIGSTOP)
    long_ago = study.now().timestamp() - 600
    for path in (study.run(slow).lease, study.run(slow).progress):
        os.utime(path, (long_ago, long_ago))  # as if it had been silent for ten minutes
    if study.site.requeue is Requeue.CANCEL:  # Slurm starts no second life: a launcher has to
        study.wait_until(lambda: "NODE_FAIL" in study.box.run("squeue", "-ho%T", "-tall").stdout)
        study.one_round()
        study.ahead = timedelta(minutes=6)
        study.one_round()
        study.ahead = timedelta(0)
    study.wait_until(lambda: read_lease(study.run(slow)) not in (None, stale))
    os.kill(stale.pid, signal.SIGCONT)
    study.rounds_until_done()
    ends_like_undisturbed(study)


def test_a_database_that_is_down_stops_nothing_and_doubles_nothing(study: SlurmStudy) -> None:
    slow = study.launch_slowly()
    kill((study.box.daemon("slurmdbd"),))
    try:
        study.kill_worker(slow)
        outcome = study.one_round()
        assert outcome.observed[slow].state in (State.UNKNOWN, State.QUEUED, State.RUNNING)
        assert study.attempts()[slow] == 1
    finally:
        start_again("slurmdbd", study.box.folder)
    study.rounds_until_done()
    ends_like_undisturbed(study)


def test_without_accounts_ends_are_read_from_the_queue_and_the_folders(
    two_nodes: SlurmStudy,
) -> None:
    study = two_nodes
    slow = study.launch_slowly()
    study.kill_worker(slow)
    study.rounds_until_done()
    ending = read_exit(study.run(slow).attempt(1))
    assert ending is not None
    assert ending.cause is Cause.KILLED
    ends_like_undisturbed(study)


def test_a_partition_that_is_down_holds_jobs_and_loses_none(two_nodes: SlurmStudy) -> None:
    study = two_nodes
    study.box.run("scontrol", "update", "PartitionName=main", "State=DOWN")
    study.launch()
    outcome = study.one_round()
    assert len(outcome.live) == len(study.plan.runs)
    study.box.run("scontrol", "update", "PartitionName=main", "State=UP")
    study.wait_until(study.is_done)
    assert set(study.attempts().values()) == {1}


@pytest.mark.parametrize("policy", list(Requeue))
def test_jobs_that_a_node_could_not_start_are_replaced(
    two_nodes: SlurmStudy, policy: Requeue
) -> None:
    study = two_nodes
    study.site = replace(study.site, requeue=policy)
    spools = [study.box.folder.path / "spool" / node for node in ("n1", "n2")]
    for spool in spools:
        spool.rename(spool.with_suffix(".away"))
    study.launch()
    first = study.of_stage("text_pretrain")[0]
    if study.site.requeue is Requeue.REQUEUE:
        study.wait_until(lambda: study.seen()[first].stuck is Cause.NODE_FAILURE)
    else:  # Slurm gives the jobs up instead, and calls them cancelled
        study.wait_until(lambda: "CANCELLED" in study.box.run("squeue", "-ho%T", "-tall").stdout)
    for spool in spools:
        shutil.rmtree(spool, ignore_errors=True)  # the daemon may have made it anew
        spool.with_suffix(".away").rename(spool)
    study.rounds_until_done()
    ending = read_exit(study.run(first).attempt(1))
    assert ending is not None
    assert ending.cause is Cause.NODE_FAILURE
    assert set(study.steps_done().values()) == {1}
    ends_like_undisturbed(study)


def test_a_job_run_again_after_it_succeeded_does_nothing(study: SlurmStudy) -> None:
    study.launch()
    first = study.of_stage("text_pretrain")[0]
    job = study.job(first)
    study.wait_until(study.is_done)
    study.box.run("scontrol", "requeue", job)
    study.wait_until(lambda: job not in study.box.run("squeue", "-h", "-o", "%F_%K").stdout)
    assert set(study.steps_done().values()) == {1}
    ends_like_undisturbed(study)
