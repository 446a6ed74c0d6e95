"""The mirror at Weights & Biases, tried for real without a network."""

import importlib
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from orchestrator.launch.mirror import unsent
from orchestrator.spec.launch import Tracking
from orchestrator.store.layout import RunFolder
from orchestrator.store.records import is_done
from orchestrator.store.stage import Progress, StageContext, StageResult, StoppedError
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


def mirrored_steps(run: RunFolder) -> list[int]:
    """Read the steps of a run's mirrors, in the order in which they would be sent."""
    internal: Any = importlib.import_module("wandb.proto.wandb_internal_pb2")
    steps: list[int] = []
    for folder in unsent(run):
        (file,) = folder.glob("run-*.wandb")
        for content in records_of(file.read_bytes()):
            record = internal.Record()
            record.ParseFromString(content)
            if record.HasField("history"):
                steps.append(record.history.step.num)
    return steps


def records_of(content: bytes) -> Iterator[bytes]:
    """Take a log of records apart: blocks of 32 KiB after 7 bytes, as LevelDB's logs have them."""
    place, parts = 7, b""
    while place + 7 <= len(content):
        left = 32_768 - place % 32_768
        if left < 7:
            place += left
            continue
        length, kind = int.from_bytes(content[place + 4 : place + 6], "little"), content[place + 6]
        parts += content[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (1, 4):  # whole, or the last part
            yield parts
            parts = b""


def test_a_step_that_is_computed_again_is_not_mirrored_again(
    bench: "Bench", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    bench.tracking = Tracking.WANDB

    def stopped_after(first: int, last: int) -> Callable[[StageContext], StageResult]:
        def stage(context: StageContext) -> StageResult:
            context.resumed(first - 1)
            for step in range(first, last + 1):
                context.report(Progress(step=step, steps=9, position=step, loss=1.0))
            raise StoppedError

        return stage

    bench.attempt(stopped_after(1, 6))
    bench.attempt(stopped_after(4, 5))  # went back to a checkpoint, and did not come as far
    bench.attempt(stopped_after(3, 9))
    assert mirrored_steps(bench.folder) == list(range(1, 10))


def test_steps_that_nobody_was_told_are_told_when_tracking_begins_later(
    bench: "Bench", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")

    def stage(context: StageContext) -> StageResult:
        context.resumed(1)
        context.report(Progress(step=2, steps=3, position=2, loss=1.0))
        raise StoppedError

    bench.attempt(stage)
    bench.tracking = Tracking.WANDB
    bench.attempt(stage)
    assert mirrored_steps(bench.folder) == [2]


def test_no_secret_gets_into_the_mirror(bench: "Bench", monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("WANDB_API_KEY", "HF_TOKEN", "AWS_SECRET_ACCESS_KEY", "SOMETHING_ELSE"):
        monkeypatch.setenv(name, f"s3cr3tcanary{name}".ljust(40, "0"))
    monkeypatch.setenv("WANDB_MODE", "offline")
    bench.tracking = Tracking.WANDB
    assert bench.attempt() == ExitCode.DONE
    files = [path for path in bench.folder.path.rglob("*") if path.is_file()]
    assert any(path.suffix == ".wandb" for path in files)
    assert [path for path in files if b"s3cr3tcanary" in path.read_bytes()] == []
