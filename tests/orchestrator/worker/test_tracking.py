"""The mirror at Weights & Biases, tried for real without a network."""

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from orchestrator.spec.launch import Tracking
from orchestrator.store.records import is_done
from orchestrator.worker.exit_codes import ExitCode

if TYPE_CHECKING:
    from tests.orchestrator.worker.conftest import Bench


def test_an_offline_mirror_lies_in_the_attempt_and_carries_name_and_steps(
    bench: "Bench", monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    bench.tracking = Tracking.WANDB
    assert bench.attempt() == ExitCode.DONE
    mirrored = list(bench.folder.attempt(1).path.glob("wandb/offline-run-*/run-*.wandb"))
    assert len(mirrored) == 1
    assert mirrored[0].name == f"run-{bench.folder.run_id}.wandb"
    content = mirrored[0].read_bytes()
    for word in (b"bench", b"tower_pretrain", b"timing", b"loss/val/nats_per_token"):
        assert word in content
    assert "Weights & Biases failed" not in bench.said()


def test_a_mirror_that_fails_is_told_once_and_stops_nothing(
    bench: "Bench", monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    broken.joinpath("wandb.py").write_text("raise RuntimeError('no service')")
    monkeypatch.syspath_prepend(str(broken))
    monkeypatch.delitem(sys.modules, "wandb", raising=False)
    bench.tracking = Tracking.WANDB
    assert bench.attempt() == ExitCode.DONE
    assert is_done(bench.folder)
    assert bench.said().count("Weights & Biases failed") == 1


def test_nothing_is_imported_when_tracking_is_off(bench: "Bench") -> None:
    number = bench.prepare("json:dumps").number
    script = (
        "import sys\n"
        "from pathlib import Path\n"
        "from orchestrator.worker.entry import main\n"
        f"main(Path({str(bench.folder.path)!r}), {number})\n"
        "heavy = {'wandb', 'torch', 'numpy', 'pandas', 'transformers', 'submitit', 'models'}\n"
        "sys.exit(len(heavy & set(sys.modules)))\n"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
