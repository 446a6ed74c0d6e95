"""What the doctor says of this machine, a study and an account."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.doctor.finding import Verdict
from orchestrator.doctor.machine import check_devices, check_results
from orchestrator.doctor.study import check_data, check_tracking
from orchestrator.spec.execution import Device
from orchestrator.spec.launch import Tracking
from orchestrator.store.data_folder import ensure_made
from orchestrator.store.study_plan import load_plan

ROOT = Path(__file__).parents[3]
TOY = ROOT / "tests" / "orchestrator" / "launch" / "toy"


def test_too_little_room_for_the_study_is_wrong_and_said_in_numbers(tmp_path: Path) -> None:
    roomy = [f for f in check_results(tmp_path / "not there yet", 10**6) if f.about == "disk"]
    tight = [f for f in check_results(tmp_path, 10**18) if f.about == "disk"]
    assert [f.verdict for f in roomy] == [Verdict.WELL]
    assert [f.verdict for f in tight] == [Verdict.WRONG]
    assert "1,000,000,000.0 GB" in tight[0].what


def test_a_folder_that_cannot_be_written_in_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tempfile.NamedTemporaryFile", refuse)
    (found,) = check_results(tmp_path, None)
    assert found.verdict is Verdict.WRONG
    assert str(tmp_path) in found.what


def test_a_machine_without_a_gpu_is_no_place_for_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert [f.verdict for f in check_devices(Device.CUDA)] == [Verdict.WRONG]
    assert [f.verdict for f in check_devices(Device.CPU)] == [Verdict.WELL]


def test_data_that_is_made_published_or_missing_is_told_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(TOY))
    toy = load_plan(TOY / "study.yaml", results=tmp_path)
    assert {f.verdict for f in check_data(toy, tmp_path)} == {Verdict.DOUBT}
    ensure_made(toy, tmp_path, lambda _: None)
    assert {f.verdict for f in check_data(toy, tmp_path)} == {Verdict.WELL}
    paper = load_plan(ROOT / "sweeps" / "paper.yaml", results=tmp_path)
    assert {f.verdict for f in check_data(paper, tmp_path)} == {Verdict.WRONG}


def test_a_login_is_looked_for_where_wandb_looks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("WANDB_API_KEY", "WANDB_MODE", "WANDB_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))

    def verdict() -> Verdict:
        (found,) = check_tracking(Tracking.WANDB)
        return found.verdict

    assert verdict() is Verdict.WRONG
    with monkeypatch.context() as patch:
        patch.setenv("WANDB_MODE", "offline")
        assert verdict() is Verdict.WELL
    (tmp_path / ".netrc").write_text("machine api.wandb.ai login user password x\n")
    (tmp_path / ".netrc").chmod(0o600)
    assert verdict() is Verdict.WELL
    assert [f.verdict for f in check_tracking(Tracking.OFF)] == [Verdict.WELL]


def test_the_command_says_what_is_wrong_and_exits_with_it(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "orchestrator.cli.main",
        "doctor",
        "sweeps/paper.yaml",
        "--json",
    ]
    places = ["--results", str(tmp_path), "--data", str(tmp_path / "data")]
    done = subprocess.run(
        [*command, *places], cwd=ROOT, env=dict(os.environ), capture_output=True, text=True
    )
    assert done.returncode == 3, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert {"packages", "code", "results", "disk", "w&b", "data"} <= {
        line["about"] for line in lines
    }
    assert all(line["mend"] for line in lines if line["verdict"] == "wrong")
    assert list(tmp_path.iterdir()) == []
