"""`sweep cluster` as a user meets it."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from slurm.cluster.config import Accounting
from slurm.cluster.programs import missing_programs

ROOT = Path(__file__).parents[3]
HEAVY = ("torch", "scipy", "pandas", "matplotlib", "wandb", "lm_eval", "submitit", "numpy", "yaml")

Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a short name: sockets' paths are limited."""
    return tmp_path_factory.mktemp("c") / "box"


@pytest.fixture
def cluster(place: Path) -> Iterator[Command]:
    """Run `sweep cluster COMMAND --dir PLACE ...`; whatever was started is stopped in the end."""

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "orchestrator.cli.main", "cluster", *arguments]
        return subprocess.run(
            [*command, "--dir", str(place)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )

    yield run
    run("down")


def test_nothing_heavy_is_loaded() -> None:
    code = (
        "import sys\n"
        "import orchestrator.cli.cluster\n"
        f"print(sorted(set({HEAVY!r}) & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"


def test_where_no_cluster_ever_was_status_says_so_with_its_own_exit_code(
    cluster: Command, place: Path
) -> None:
    done = cluster("status")
    assert (done.returncode, done.stdout) == (3, f"no cluster was ever started; {place}\n")
    told = json.loads(cluster("status", "--json").stdout)
    assert (told["up"], told["daemons"]) == (False, {})
    assert not place.exists()


def test_env_without_a_cluster_prints_nothing_to_eval(cluster: Command) -> None:
    done = cluster("env")
    assert (done.returncode, done.stdout) == (2, "")
    assert "sweep cluster up" in done.stderr


def test_down_without_a_cluster_is_no_error(cluster: Command, place: Path) -> None:
    done = cluster("down")
    assert (done.returncode, done.stdout) == (0, f"nothing was up; {place}\n")


def test_where_slurm_is_missing_up_names_packages_and_command(place: Path) -> None:
    code = (
        "import os, sys\n"
        "from slurm.cluster import programs\n"
        "from orchestrator.cli.main import main\n"
        "programs._SYSTEM = ()\n"
        "os.environ['PATH'] = '/nowhere'\n"
        f"sys.argv = ['sweep', 'cluster', 'up', '--dir', {str(place)!r}]\n"
        "main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stderr.startswith("sweep cluster: Slurm is not installed: slurmctld, slurmd")
    assert "apt-get install --no-install-recommends slurmctld" in done.stderr
    assert not place.exists()


@pytest.mark.parametrize(
    ("option", "value", "named"),
    [("--nodes", "0", "nodes"), ("--gpus", "-1", "gpus"), ("--set", "KillWait", "--set")],
)
def test_a_bad_option_is_refused_with_its_place(
    cluster: Command, option: str, value: str, named: str
) -> None:
    done = cluster("up", option, value)
    assert done.returncode == 2
    assert f"where: {named}" in done.stderr


@pytest.mark.slurm
@pytest.mark.xdist_group("slurm")
@pytest.mark.skipif(
    bool(missing_programs(Accounting.NONE)), reason="Slurm is not installed on this machine"
)
class TestWithSlurm:
    """The commands one after the other, on the real thing."""

    def test_a_dry_run_prints_the_configuration_and_starts_nothing(
        self, cluster: Command, place: Path
    ) -> None:
        done = cluster("up", "--dry-run", "--nodes", "3", "--preempt", "cancel", "--grace", "7")
        assert "NodeName=n[1-3]" in done.stdout
        assert "PreemptMode=CANCEL GraceTime=7" in done.stdout
        assert f"File={place}/dev/gpu1" in done.stdout
        assert not place.exists()

    def test_up_env_status_down(self, cluster: Command, place: Path) -> None:
        up = cluster("up", "--nodes", "2", "--gpus", "1")
        assert up.returncode == 0, up.stderr
        assert "the cluster is up: 2 nodes" in up.stdout
        env = cluster("env").stdout
        said = subprocess.run(
            ["bash", "-c", f'{env}\nsrun -N2 bash -c "echo \\$SLURMD_NODENAME"'],
            capture_output=True,
            text=True,
            check=True,
        )
        assert sorted(said.stdout.split()) == ["n1", "n2"]
        assert "was up already" in cluster("up", "--nodes", "2", "--gpus", "1").stdout
        told = json.loads(cluster("status", "--json").stdout)
        assert told["up"] is True
        assert told["nodes"] == {"n1": "idle", "n2": "idle"}
        down = cluster("down")
        assert down.stdout == f"ended 4 daemons; {place}\n"
        after = cluster("status")
        assert (after.returncode, after.stdout) == (3, f"down; {place}\n")

    def test_a_dead_node_is_named_and_up_brings_it_back(
        self, cluster: Command, place: Path
    ) -> None:
        cluster("up", "--nodes", "1")
        record = json.loads((place / "cluster.json").read_text())
        os.kill(record["daemons"]["slurmd.n1"]["pid"], 9)
        status = cluster("status")
        assert status.returncode == 3
        assert "dead: slurmd.n1" in status.stdout
        assert "up again" in cluster("up", "--nodes", "1").stdout
        assert cluster("status").returncode == 0
