"""Real training on a real Slurm: several processes on two nodes, and one that is preempted."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from orchestrator.plan.causes import Cause
from orchestrator.store.attempts import attempt_numbers, read_exit, read_lives
from orchestrator.store.layout import RunFolder, StudyFolder
from orchestrator.store.records import read_progress, read_result
from orchestrator.worker.exit_codes import ExitCode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.slurm.conftest import Cluster

pytestmark = [pytest.mark.slurm, pytest.mark.xdist_group("slurm")]

SMOKE = Path(__file__).parents[3] / "sweeps" / "smoke.yaml"
PROCESSES = 4
TOKENS = 102_400


@dataclass
class Trunk:
    """A study of one text trunk, and ways to launch it."""

    root: Path

    def study(self, tokens: int, **launch: Any) -> Path:
        tree = yaml.safe_load(SMOKE.read_text())
        tree["arms"] = {"one": {"axes": {"model": ["10k"]}, "stages": ["text_pretrain"]}}
        tree["stages"]["text_pretrain"]["tokens"] = tokens
        if launch:
            tree["launch"] = launch
        file = self.root / "trunk.yaml"
        file.write_text(yaml.safe_dump(tree, sort_keys=False))
        return file

    def launch(self, study: Path, results: str, *options: str) -> RunFolder:
        """Launch as a user would, and return the run's folder."""
        main = "from orchestrator.cli.main import main; main()"
        done = subprocess.run(
            [
                *(sys.executable, "-c", main, "launch", str(study), *options),
                *("--results", str(self.root / results), "--data", str(self.root / "data")),
            ],
            capture_output=True,
            text=True,
            timeout=200,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        runs = StudyFolder(self.root / results / "smoke").runs
        return RunFolder(next(runs.iterdir()))

    def launch_wide(self, tokens: int) -> RunFolder:
        """Launch it on the cluster, with a batch cut over four processes."""
        layouts = {"10k": {"gpus": PROCESSES, "micro_batch": 1}}
        study = self.study(tokens, layouts=layouts)
        return self.launch(study, "wide", "--profile", "rehearsal")


@pytest.fixture
def trunk(cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Trunk]:
    monkeypatch.setenv("SLURM_CONF", str(cluster.folder.etc / "slurm.conf"))
    yield Trunk(tmp_path)
    cluster.run("scancel", "--user", str(os.getuid()))


def wait_until(holds: Callable[[], bool], run: RunFolder, seconds: float = 120.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        logs = [path.read_text()[-2000:] for path in run.path.rglob("*.log")]
        assert time.monotonic() < deadline, "\n".join(logs)
        time.sleep(0.2)


def losses(run: RunFolder) -> list[float]:
    return [json.loads(line)["loss"] for line in run.metrics.read_text().splitlines()]


def val_loss(run: RunFolder) -> float:
    value = read_result(run).measures[0].value
    assert value is not None
    return value


def worker_of_rank(run: RunFolder, rank: int) -> int | None:
    """Find the process that Slurm gave a rank of a run's attempt."""
    for process in Path("/proc").iterdir():
        if not process.name.isdecimal():
            continue
        try:
            command = (process / "cmdline").read_bytes()
            environ = (process / "environ").read_bytes().split(b"\0")
            log = (process / "fd" / "1").resolve()
        except OSError:  # it has ended, or is not ours
            continue
        is_worker = b"orchestrator.worker.job" in command and run.path in log.parents
        if is_worker and f"SLURM_PROCID={rank}".encode() in environ:
            return int(process.name)
    return None


def test_four_processes_on_two_nodes_train_what_one_trains_though_one_of_them_is_killed(
    trunk: Trunk,
) -> None:
    wide = trunk.launch_wide(TOKENS)
    wait_until(wide.progress.exists, wide)
    victim = worker_of_rank(wide, 2)
    assert victim is not None
    os.kill(victim, signal.SIGKILL)
    wait_until(lambda: worker_of_rank(wide, 0) is None, wide)  # the first one does not wait
    assert not wide.done.exists()
    alone = trunk.launch(trunk.study(TOKENS), "alone")
    wait_until(lambda: len(attempt_numbers(trunk.launch_wide(TOKENS))) == 2, wide)
    ending = read_exit(wide.attempt(1))
    assert ending is not None
    assert ending.cause in (Cause.KILLED, Cause.NETWORK)
    wait_until(wide.done.exists, wide)
    assert all(wide.attempt(2).rank_log(rank).exists() for rank in range(PROCESSES))
    assert losses(wide) == pytest.approx(losses(alone), rel=1e-4)
    assert val_loss(wide) == pytest.approx(val_loss(alone), rel=1e-5)
    assert read_result(wide).counts == read_result(alone).counts


def weights(run: RunFolder) -> dict[str, bytes]:
    return {
        str(path.relative_to(run.checkpoints)): path.read_bytes()
        for path in run.checkpoints.rglob("*")
        if path.is_file()
    }


def test_a_preempted_run_loses_no_step_and_ends_with_the_same_bits(
    trunk: Trunk, cluster: Cluster
) -> None:
    study = trunk.study(4 * TOKENS)
    alone = trunk.launch(study, "alone")
    narrow = trunk.launch(study, "narrow", "--profile", "rehearsal")
    wait_until(narrow.progress.exists, narrow)
    for job in cluster.run("squeue", "-h", "-t", "R", "-o", "%i").stdout.split():
        cluster.run("scancel", "--signal=USR2", job)  # as Slurm warns before it takes the place
    wait_until(narrow.done.exists, narrow)
    (life,) = read_lives(narrow.attempt(1))
    assert attempt_numbers(narrow) == (1,)  # the same job, put back by itself
    assert life.code == ExitCode.WARNED
    assert life.step is not None
    assert 0 < life.step < len(losses(narrow))
    progress = read_progress(narrow)
    assert progress is not None
    assert progress.first_step == life.step  # nothing was computed twice
    assert weights(narrow) == weights(alone)
    assert narrow.metrics.read_bytes() == alone.metrics.read_bytes()
    assert narrow.result.read_bytes() == alone.result.read_bytes()
