"""The doctor on a real Slurm."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

if TYPE_CHECKING:
    from tests.slurm.conftest import Cluster

pytestmark = [pytest.mark.slurm, pytest.mark.xdist_group("slurm")]

ROOT = Path(__file__).parents[3]
REHEARSAL = ROOT / "slurm" / "profiles" / "rehearsal.yaml"


def lines_of(profile: str) -> list[dict[str, str]]:
    done = subprocess.run(
        [sys.executable, "-m", "orchestrator.cli.main", "doctor", "--json", "--profile", profile],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert not done.stderr
    about = ("slurm", "clock", "limits", "accounting")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return [line for line in lines if line["about"] in about or "partition" in line["about"]]


def test_it_finds_the_rehearsal_profile_true_and_each_lie_in_it(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLURM_CONF", str(cluster.folder.etc / "slurm.conf"))
    tree = yaml.safe_load(REHEARSAL.read_text())
    nodes = len(cluster.run("sinfo", "-h", "-N", "-p", "main").stdout.splitlines())
    tree["partitions"] = [{"name": "main", "nodes": nodes}]
    truth = tmp_path / "truth.yaml"
    truth.write_text(yaml.safe_dump(tree))
    assert {line["verdict"] for line in lines_of(str(truth))} <= {"well", "doubt"}

    tree["partitions"] = [
        {"name": "main", "nodes": 99},
        {"name": "brief", "nodes": 1, "max_hours": 24},
        {"name": "nowhere", "nodes": 1},
    ]
    tree["gpus_per_node"] = 7
    tree["slurm"] |= {"max_array_size": 50_000, "accounting": False, "cpus_per_task": 64}
    lies = tmp_path / "lies.yaml"
    lies.write_text(yaml.safe_dump(tree))
    wrong = [line for line in lines_of(str(lies)) if line["verdict"] == "wrong"]
    assert {line["about"] for line in wrong} == {
        "partition main",
        "partition brief",
        "partition nowhere",
        "limits",
        "accounting",
    }
    said = " ".join(line["what"] for line in wrong)
    for word in ("the profile says 99", "24 h", "MaxArraySize is", "profile: 7"):
        assert word in said


def test_it_says_that_slurm_cannot_be_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_CONF", "/nowhere/slurm.conf")
    (found,) = lines_of("rehearsal")
    assert found["verdict"] == "wrong"
    assert "cannot be reached" in found["what"]
