"""A real Slurm for the tests: one cluster with accounting for the session, others on request.

Where Slurm is not installed, every test that asks for a cluster is skipped by name.
"""

import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from slurm.cluster.client import client_environment
from slurm.cluster.config import Accounting, ClusterConfig
from slurm.cluster.folder import ClusterFolder, cluster_folder
from slurm.cluster.processes import Process
from slurm.cluster.programs import missing_programs
from slurm.cluster.record import read_record
from slurm.cluster.starting import start_at_free_ports
from slurm.cluster.stopping import stop
from slurm.cluster.waiting import held_within


def first_port() -> int:
    """Workers of pytest-xdist look for free ports at different places, and so do not race."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")
    return 19_000 + 1_000 * (int(worker) % 10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """A running cluster, with what tests do to it."""

    folder: ClusterFolder
    config: ClusterConfig

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            cwd=self.folder.path,
            env=client_environment(self.folder),
            capture_output=True,
            text=True,
            check=False,
        )

    def submit(self, script: str, *options: str) -> str:
        """Submit a shell script and return the job's id; it runs in the cluster's folder."""
        done = self.run("sbatch", "--parsable", "-o", "/dev/null", *options, f"--wrap={script}")
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def states(self, job: str) -> set[str]:
        done = self.run("squeue", "-h", "--states=all", "-o", "%T", "-j", job)
        return set(done.stdout.split())

    def reaches(self, job: str, state: str, seconds: float = 30) -> bool:
        return held_within(lambda: self.states(job) == {state}, seconds)

    def daemon(self, name: str) -> Process:
        record = read_record(self.folder)
        assert record is not None
        return dict(record.daemons)[name]


MakeCluster = Callable[..., Cluster]


def skip_without(accounting: Accounting) -> None:
    missing = missing_programs(accounting)
    if missing:
        pytest.skip(f"Slurm is not installed: {', '.join(missing)} not found")


def started(config: ClusterConfig, path: Path) -> Cluster:
    folder = cluster_folder(path)
    start_at_free_ports(config, folder)
    record = read_record(folder)
    assert record is not None
    return Cluster(folder=folder, config=record.config)


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """Four nodes with two fake GPUs each, accounting, and preemption with requeue."""
    skip_without(Accounting.DATABASE)
    config = ClusterConfig(port=first_port(), accounting=Accounting.DATABASE)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "box"
        try:
            yield started(config, path)
        finally:
            stop(cluster_folder(path))


@pytest.fixture
def make_cluster() -> Iterator[MakeCluster]:
    """Start further clusters, on other ports and in other folders, for one test."""
    skip_without(Accounting.NONE)
    with tempfile.TemporaryDirectory() as folder:
        paths: list[Path] = []

        def make(config: ClusterConfig) -> Cluster:
            paths.append(Path(folder) / f"box{len(paths)}")
            return started(config, paths[-1])

        try:
            yield make
        finally:
            for path in paths:
                stop(cluster_folder(path))


@pytest.fixture
def one_node() -> ClusterConfig:
    """One node without accounting, up in a quarter of a second."""
    skip_without(Accounting.NONE)
    return ClusterConfig(port=first_port() + 500, nodes=1, gpus=1)
