"""A cluster starts once, comes back after a crash, and leaves nothing when it goes."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from orchestrator.errors import LaunchError
from slurm.cluster import starting
from slurm.cluster.config import Accounting, ClusterConfig
from slurm.cluster.folder import ClusterFolder, cluster_folder
from slurm.cluster.members import members, stray_daemons
from slurm.cluster.ports import taken_ports
from slurm.cluster.processes import Process, all_processes, end, is_alive, kill, look_at
from slurm.cluster.record import read_record
from slurm.cluster.starting import Started, at_known_ports, start, start_at_free_ports
from slurm.cluster.status import look
from slurm.cluster.stopping import stop
from slurm.cluster.waiting import held_within

if TYPE_CHECKING:
    from tests.slurm.conftest import Cluster, MakeCluster

pytestmark = [pytest.mark.slurm, pytest.mark.xdist_group("slurm")]

ROOT = Path(__file__).parents[3]


def daemons(cluster: Cluster) -> tuple[Process, ...]:
    record = read_record(cluster.folder)
    assert record is not None
    return tuple(process for _, process in record.daemons)


def number_in(path: Path) -> int:
    assert held_within(lambda: path.exists() and path.read_text().endswith("\n"), 20)
    return int(path.read_text())


def test_a_second_start_of_the_same_cluster_changes_nothing(cluster: Cluster) -> None:
    before = members(cluster.folder)  # helpers of daemons, such as slurmscriptd, among them
    assert before > set(daemons(cluster))
    assert start(cluster.config, cluster.folder) is Started.WAS_UP
    assert members(cluster.folder) == before
    # Not even where the ports are left to choose.
    asked = replace(cluster.config, port=17_000)
    assert at_known_ports(asked, cluster.folder) == cluster.config


def test_a_port_that_is_taken_after_the_look_makes_the_cluster_go_elsewhere(
    one_node: ClusterConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = starting.with_free_ports(one_node)
    folder = cluster_folder(Path(tempfile.mkdtemp()) / "box")
    with socket.socket() as quicker:
        # As a daemon binds: the last cluster's closed connections may still linger on the port.
        quicker.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        quicker.bind(("127.0.0.1", free.port))
        quicker.listen()
        looks = iter([free])  # the first look came before the other process
        look = starting.with_free_ports

        def slow_look(config: ClusterConfig) -> ClusterConfig:
            return next(looks, None) or look(config)

        def no_check(ports: tuple[int, ...]) -> None:
            del ports

        monkeypatch.setattr(starting, "with_free_ports", slow_look)
        monkeypatch.setattr(starting, "check_ports", no_check)
        try:
            assert start_at_free_ports(free, folder) is Started.NEW
            record = read_record(folder)
            assert record is not None
            assert record.config.port > free.port
        finally:
            stop(folder)
            shutil.rmtree(folder.path.parent)


def test_a_start_with_other_settings_is_refused(cluster: Cluster) -> None:
    with pytest.raises(LaunchError) as caught:
        start(replace(cluster.config, nodes=2), cluster.folder)
    assert "down" in caught.value.mend
    assert all(map(is_alive, daemons(cluster)))


def test_two_clusters_live_side_by_side_and_one_goes_alone(
    make_cluster: MakeCluster, one_node: ClusterConfig
) -> None:
    first, second = make_cluster(one_node), make_cluster(one_node)
    assert not set(first.config.ports) & set(second.config.ports)
    jobs = [cluster.submit("touch ran.txt") for cluster in (first, second)]
    assert jobs == ["1", "1"]
    for cluster in (first, second):
        assert cluster.reaches("1", "COMPLETED")
        assert (cluster.folder.path / "ran.txt").exists()
    stop(first.folder)
    assert not any(map(is_alive, daemons(first)))
    assert second.run("sinfo", "-h", "-p", "main", "-o", "%t").stdout == "idle\n"


def test_without_accounting_sacct_refuses(
    make_cluster: MakeCluster, one_node: ClusterConfig
) -> None:
    done = make_cluster(one_node).run("sacct")
    assert done.returncode == 1
    assert "accounting storage is disabled" in done.stderr


def test_down_ends_stubborn_jobs_their_orphans_and_every_daemon(
    make_cluster: MakeCluster, one_node: ClusterConfig
) -> None:
    cluster = make_cluster(one_node)
    here = cluster.folder.path
    (here / "stubborn.sh").write_text("trap '' TERM; echo $$ > stubborn; while :; do sleep 1; done")
    (here / "orphan.sh").write_text("trap '' TERM; echo $$ > orphan; while :; do sleep 1; done")
    (here / "away.sh").write_text("trap '' TERM; echo $$ > away; while :; do sleep 1; done")
    # One orphan has nothing in its environment, the other left for a session of its own.
    cluster.submit(
        "sh -c 'env -i /bin/sh orphan.sh &'; sh -c 'setsid sh away.sh &'; exec sh stubborn.sh"
    )
    numbers = [number_in(here / name) for name in ("stubborn", "orphan", "away")]
    recorded = daemons(cluster)
    sessions = {process.pid for process in recorded}
    assert stop(cluster.folder) == len(recorded) == 3
    assert not any(map(is_alive, recorded))
    assert [look_at(number) for number in numbers] == [None, None, None]
    assert not members(cluster.folder)
    assert not {seen.session for seen in all_processes().values()} & sessions
    assert taken_ports(cluster.config.ports) == ()
    assert stop(cluster.folder) == 0


def test_a_cluster_whose_folder_was_removed_can_still_be_ended(
    make_cluster: MakeCluster, one_node: ClusterConfig
) -> None:
    cluster = make_cluster(one_node)
    recorded = daemons(cluster)
    shutil.rmtree(cluster.folder.path)
    assert stop(cluster.folder) == len(recorded)
    assert not any(map(is_alive, recorded))
    assert not members(cluster.folder)


def test_a_folder_of_someone_elses_files_gets_none_of_ours(
    tmp_path: Path, one_node: ClusterConfig
) -> None:
    (tmp_path / "thesis.tex").write_text("x")
    folder = ClusterFolder(path=tmp_path)
    with pytest.raises(LaunchError):
        start(one_node, folder)
    assert stop(folder) == 0
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_cluster_whose_machine_went_down_comes_back_with_its_jobs(
    make_cluster: MakeCluster, one_node: ClusterConfig
) -> None:
    cluster = make_cluster(one_node)
    job = cluster.submit("touch late.txt", "--hold")
    end((cluster.daemon("slurmctld"),), 20)  # it writes its state when it is asked to end
    kill(daemons(cluster))
    seen = look(cluster.folder)
    assert seen is not None
    assert not any(seen.daemons.values())
    assert start(cluster.config, cluster.folder) is Started.REVIVED
    assert cluster.run("scontrol", "release", job).returncode == 0
    assert cluster.reaches(job, "COMPLETED")
    assert (cluster.folder.path / "late.txt").exists()


def test_after_down_job_numbers_begin_anew(
    make_cluster: MakeCluster, one_node: ClusterConfig
) -> None:
    cluster = make_cluster(one_node)
    assert cluster.submit("true") == "1"
    stop(cluster.folder)
    assert start(cluster.config, cluster.folder) is Started.NEW
    assert cluster.submit("true") == "1"


@pytest.mark.parametrize("reached", ["munge.socket", "slurmctld.pid"])
def test_a_start_that_was_killed_halfway_is_taken_up(
    reached: str, make_cluster: MakeCluster, one_node: ClusterConfig
) -> None:
    cluster = make_cluster(one_node)
    stop(cluster.folder)
    command = [sys.executable, "-m", "orchestrator.cli.main", "cluster", "up"]
    options = ["--nodes", "1", "--gpus", "1", "--port", str(cluster.config.port)]
    starter = subprocess.Popen(
        [*command, *options, "--dir", str(cluster.folder.path)], cwd=ROOT, stdout=subprocess.DEVNULL
    )
    mark = cluster.folder.sockets / reached
    began = mark.stat().st_mtime_ns if mark.exists() else 0
    held_within(lambda: mark.exists() and mark.stat().st_mtime_ns != began, 20)
    os.kill(starter.pid, signal.SIGKILL)
    starter.wait()
    start(cluster.config, cluster.folder)
    job = cluster.submit("true")
    assert cluster.reaches(job, "COMPLETED")
    assert not stray_daemons(cluster.folder, frozenset(daemons(cluster)))


def test_a_start_that_fails_leaves_no_process_and_says_why(
    make_cluster: MakeCluster, one_node: ClusterConfig
) -> None:
    cluster = make_cluster(one_node)
    stop(cluster.folder)
    bad = replace(cluster.config, settings=(("SchedulerType", "sched/nonsense"),))
    with pytest.raises(LaunchError) as caught:
        start(bad, cluster.folder)
    assert "slurmctld ended while it was starting" in caught.value.what
    assert not members(cluster.folder)
    assert start(cluster.config, cluster.folder) is Started.NEW


def test_a_taken_port_is_refused_before_anything_starts(
    make_cluster: MakeCluster, one_node: ClusterConfig
) -> None:
    first, second = make_cluster(one_node), make_cluster(one_node)
    stop(second.folder)
    with pytest.raises(LaunchError) as caught:
        start(first.config, second.folder)
    assert str(first.config.port) in caught.value.what
    assert not members(second.folder)


def test_the_database_can_be_killed_and_comes_back(cluster: Cluster) -> None:
    assert cluster.config.accounting is Accounting.DATABASE
    kill((cluster.daemon("mariadbd"), cluster.daemon("slurmdbd")))
    assert cluster.run("sacct").returncode == 1
    assert start(cluster.config, cluster.folder) is Started.REVIVED
    assert held_within(lambda: cluster.run("sacct").returncode == 0, 20)


def test_the_database_keeps_temporary_tables_from_other_servers(cluster: Cluster) -> None:
    socket_option = f"--socket={cluster.folder.database_socket}"
    asked = cluster.run(
        "mariadb", "--no-defaults", socket_option, "-uroot", "-Ne", "select @@tmpdir"
    )
    assert asked.stdout.strip() == str(cluster.folder.database_scratch), asked.stderr
