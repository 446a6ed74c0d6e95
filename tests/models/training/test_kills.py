"""Training that is killed at any moment, or finds the disk full, ends with the same bits."""

from __future__ import annotations

import errno
import os
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from models import stages
from models.training import checkpoint, checkpoint_folders, standing
from models.training.training import Training
from orchestrator.store.stage import StoppedError
from tests.models.test_stages import trunk

Contexts = Callable[..., Any]
KILLS = 50
STEPS = 4


def life(context: Any, before: Callable[[], object] = lambda: None) -> int:
    """Train in a process of its own that saves after each step; return its process number."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            torch.set_num_threads(1)
            before()
            stages.text_pretrain(context)
            code = 0
        finally:
            os._exit(code)
    return pid


def ended(pid: int) -> int | None:
    found, status = os.waitpid(pid, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if found else None


def files(context: Any) -> dict[str, bytes]:
    folder = context.folder.checkpoints
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture(autouse=True)
def saves_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Save after each step, in this process's children too."""
    original = Training

    def often(**given: Any) -> Any:
        return original(**given, checkpoint_seconds=0.0)

    monkeypatch.setattr("models.stages.pretraining.Training", often)


def test_fifty_kills_at_random_moments_change_no_bit(stage_context: Contexts) -> None:
    alone = stage_context(trunk(STEPS), runs="alone")
    began = time.monotonic()
    assert os.waitstatus_to_exitcode(os.waitpid(life(alone), 0)[1]) == 0
    usual = time.monotonic() - began
    rng = random.Random(0)
    kills, rounds, damaged = 0, 0, 0
    while kills < KILLS:
        rounds += 1
        killed = stage_context(trunk(STEPS), runs=f"killed {rounds}")
        while True:
            pid = life(killed)
            deadline = time.monotonic() + rng.uniform(0.2, 1.0) * usual
            while ended(pid) is None and time.monotonic() < deadline:
                time.sleep(0.001)
            try:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
            except (ProcessLookupError, ChildProcessError):
                break  # it was quicker
            kills += 1
            damaged += bool(list(killed.folder.checkpoints.glob(".*")))
            if kills >= KILLS:
                assert os.waitstatus_to_exitcode(os.waitpid(life(killed), 0)[1]) == 0
                break
        assert files(killed) == files(alone)
    print(f"{kills} kills in {rounds} runs, {damaged} of them while a checkpoint was written")  # noqa: T201  (shown with -s)


def test_a_full_disk_ends_the_attempt_and_the_next_one_goes_on(
    stage_context: Contexts, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = stage_context(trunk(STEPS), runs="alone")
    stages.text_pretrain(alone)
    full = stage_context(trunk(STEPS), runs="full")
    original, count = checkpoint.write_manifest, 0

    def write(folder: Path) -> None:
        nonlocal count
        count += 1
        if count == 3:
            raise OSError(errno.ENOSPC, "No space left on device")
        original(folder)

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "write_manifest", write)
        with pytest.raises(OSError, match="No space"):
            stages.text_pretrain(full)
    resumed = stage_context(trunk(STEPS), runs="full")
    stages.text_pretrain(resumed)
    assert resumed.resumed_at == 2
    assert files(resumed) == files(alone)


def cut_off(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def flip_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("damage", [cut_off, flip_a_bit, Path.unlink])
@pytest.mark.parametrize("name", ["model.safetensors", "optimizer.safetensors", "state.json"])
def test_a_damaged_checkpoint_costs_the_steps_since_the_one_before_it(
    stage_context: Contexts, damage: Callable[[Path], object], name: str
) -> None:
    alone = stage_context(trunk(STEPS), runs="alone")
    stages.text_pretrain(alone)
    hurt = stage_context(trunk(STEPS), runs="hurt", stop_after=3)
    with pytest.raises(StoppedError):
        stages.text_pretrain(hurt)
    positions = checkpoint_folders.positions(hurt.folder.checkpoints)
    assert len(positions) == standing.CHECKPOINTS_KEPT
    damage(hurt.folder.checkpoints / str(positions[-1]) / name)
    resumed = stage_context(trunk(STEPS), runs="hurt")
    stages.text_pretrain(resumed)
    assert resumed.resumed_at == 2
    assert files(resumed) == files(alone)
