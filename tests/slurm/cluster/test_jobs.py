"""What a site's Slurm does with jobs, the private one does too."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from slurm.cluster.config import Preempt, usual_partitions
from slurm.cluster.processes import kill
from slurm.cluster.starting import start_again
from slurm.cluster.waiting import held_within

if TYPE_CHECKING:
    from slurm.cluster.config import ClusterConfig
    from tests.slurm.conftest import Cluster, MakeCluster

pytestmark = [pytest.mark.slurm, pytest.mark.xdist_group("slurm")]


def test_a_job_and_an_array_run_to_the_end_on_their_nodes(cluster: Cluster) -> None:
    job = cluster.submit("echo $SLURMD_NODENAME > single.txt", "-w", "n3")
    array = cluster.submit(
        "echo $SLURMD_NODENAME > element$SLURM_ARRAY_TASK_ID.txt", "--array=0-7%4"
    )
    assert cluster.reaches(job, "COMPLETED")
    assert cluster.reaches(array, "COMPLETED")
    assert (cluster.folder.path / "single.txt").read_text() == "n3\n"
    nodes = {path.read_text().strip() for path in cluster.folder.path.glob("element?.txt")}
    assert len(list(cluster.folder.path.glob("element?.txt"))) == 8
    assert nodes <= set(cluster.config.node_names)


def test_jobs_on_one_node_are_given_different_gpus(cluster: Cluster) -> None:
    script = "echo $CUDA_VISIBLE_DEVICES > gpu$SLURM_ARRAY_TASK_ID.txt; sleep 2"
    array = cluster.submit(script, "--gres=gpu:1", "-w", "n1", "--array=0-1")
    both = cluster.submit("echo $CUDA_VISIBLE_DEVICES > gpus.txt", "--gres=gpu:2", "-w", "n2")
    assert cluster.reaches(array, "COMPLETED")
    assert cluster.reaches(both, "COMPLETED")
    seen = {(cluster.folder.path / f"gpu{number}.txt").read_text().strip() for number in (0, 1)}
    assert seen == {"0", "1"}
    assert (cluster.folder.path / "gpus.txt").read_text() == "0,1\n"


def test_more_gpus_than_a_node_has_are_refused(cluster: Cluster) -> None:
    done = cluster.run("sbatch", "--gres=gpu:3", "--wrap=true")
    assert done.returncode == 1
    assert "Requested node configuration is not available" in done.stderr


def test_accounting_remembers_how_jobs_ended(cluster: Cluster) -> None:
    good = cluster.submit("true", "--comment=token-17")
    bad = cluster.submit("exit 3")
    ended = {
        f"{good}|COMPLETED|0:0|token-17",
        f"{bad}|FAILED|3:0|",
    }

    def told() -> set[str]:
        fields = "--format=JobIDRaw,State,ExitCode,Comment"
        return set(cluster.run("sacct", "-nPX", "-j", f"{good},{bad}", fields).stdout.splitlines())

    assert held_within(lambda: told() == ended, 20), told()


def test_a_higher_partition_takes_the_node_and_the_lower_job_runs_again(cluster: Cluster) -> None:
    script = "echo run >> preempted.txt; exec sleep $((120 * (SLURM_RESTART_COUNT == 0)))"
    low = cluster.submit(script, "-w", "n4", "--exclusive")
    assert cluster.reaches(low, "RUNNING")
    high = cluster.submit("sleep 1", "-w", "n4", "--exclusive", "-p", "high")
    assert held_within(lambda: cluster.states(low) == {"PENDING"}, 20)
    assert cluster.reaches(high, "COMPLETED")
    assert cluster.reaches(low, "COMPLETED")
    assert (cluster.folder.path / "preempted.txt").read_text() == "run\nrun\n"


def test_where_preemption_cancels_the_lower_job_is_over(
    make_cluster: MakeCluster, one_node: ClusterConfig
) -> None:
    cluster = make_cluster(replace(one_node, partitions=usual_partitions(Preempt.CANCEL)))
    low = cluster.submit("exec sleep 120", "--exclusive")
    assert cluster.reaches(low, "RUNNING")
    high = cluster.submit("true", "--exclusive", "-p", "high")
    assert cluster.reaches(high, "COMPLETED")
    assert cluster.states(low) == {"PREEMPTED"}


def test_without_preemption_the_higher_job_waits(
    make_cluster: MakeCluster, one_node: ClusterConfig
) -> None:
    cluster = make_cluster(replace(one_node, partitions=usual_partitions(Preempt.NONE)))
    low = cluster.submit("exec sleep 3", "--exclusive")
    assert cluster.reaches(low, "RUNNING")
    high = cluster.submit("true", "--exclusive", "-p", "high")
    assert cluster.reaches(low, "COMPLETED")
    assert cluster.reaches(high, "COMPLETED")


def test_a_killed_node_goes_down_its_job_fails_and_it_comes_back(cluster: Cluster) -> None:
    lost = cluster.submit("sleep 120", "-w", "n2", "--no-requeue")
    assert cluster.reaches(lost, "RUNNING")
    kill((cluster.daemon("slurmd.n2"),))
    assert cluster.reaches(lost, "NODE_FAIL", 60)
    assert cluster.run("sinfo", "-h", "-n", "n2", "-p", "main", "-o", "%t").stdout == "down*\n"
    start_again("slurmd.n2", cluster.folder)
    after = cluster.submit("true", "-w", "n2")
    assert cluster.reaches(after, "COMPLETED")


def test_a_job_longer_than_its_partition_allows_waits_with_the_reason(cluster: Cluster) -> None:
    job = cluster.submit("true", "-p", "brief", "--time=5")

    def reason() -> str:
        return cluster.run("squeue", "-h", "-o", "%r", "-j", job).stdout.strip()

    assert held_within(lambda: reason() == "PartitionTimeLimit", 20)
    cluster.run("scancel", job)
