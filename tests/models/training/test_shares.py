"""Checkpoints of weights that are cut over processes: real ones, over gloo."""

import os
import random
import resource
import signal
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.distributed.device_mesh import init_device_mesh

from models import stages
from models.training import checkpoint, checkpoint_folders
from models.training.checkpoint import STATE, Checkpoint
from models.training.training import Training
from orchestrator.errors import LaunchError
from orchestrator.store.checkpoint_files import MANIFEST_FILE
from orchestrator.store.files import read_json
from orchestrator.store.layout import RunFolder
from orchestrator.store.world import World
from tests.models.test_stages import BATCH, trunk
from tests.models.training.test_ranks import SHARDED, differ, free_port, together, weights

Contexts = Callable[..., Any]
SHARES = "runs of shares"
KILLS = 8


def names(folder: RunFolder, position: int) -> set[str]:
    return {path.name for path in (folder.checkpoints / str(position)).iterdir()}


def share(process: int, kind: int) -> str:
    return f"shard-{process:05d}-model-{kind:05d}-of-00002.safetensors"


def stopped(make: Contexts, size: int, steps: int = 2) -> RunFolder:
    told = together(make, trunk(4), size, stops=[steps] * size, runs=SHARES, execution=SHARDED)
    assert {word for _, word, _, _ in told} == {"stopped"}, told
    return make(trunk(4), runs=SHARES).folder


def test_each_process_writes_its_share_and_the_manifest_vouches_for_all(
    stage_context: Contexts,
) -> None:
    folder = stopped(stage_context, 3)
    shares = {share(process, kind) for process in (1, 2, 3) for kind in (1, 2)}
    assert names(folder, 2 * BATCH) == {*shares, STATE, MANIFEST_FILE}
    manifest = read_json(folder.checkpoints / str(2 * BATCH) / MANIFEST_FILE)
    assert manifest.keys() == {*shares, STATE}


def test_the_last_checkpoint_is_whole_for_other_runs_to_read(stage_context: Contexts) -> None:
    stopped(stage_context, 2)
    together(stage_context, trunk(4), 2, runs=SHARES, execution=SHARDED)
    folder = stage_context(trunk(4), runs=SHARES).folder
    whole = {"model.safetensors", "optimizer.safetensors", STATE, MANIFEST_FILE}
    assert checkpoint_folders.positions(folder.checkpoints) == [4 * BATCH]
    assert names(folder, 4 * BATCH) == whole


def test_shares_are_what_the_processes_had(stage_context: Contexts) -> None:
    """Two steps are all of one run and half of another; both read the same then."""
    folder = stopped(stage_context, 2)
    own = checkpoint.read(folder.checkpoints / str(2 * BATCH))
    told = together(stage_context, trunk(2), 2, runs="whole", execution=SHARDED)
    assert {word for _, word, _, _ in told} == {"done"}, told
    whole = checkpoint.finished(stage_context(trunk(2), runs="whole").folder)
    assert own.optimizer is not None
    assert whole.optimizer is not None
    assert differ(dict(own.weights), dict(whole.weights)) == 0
    assert differ(dict(own.optimizer), dict(whole.optimizer)) == 0
    assert (own.step, own.position, own.counters) == (whole.step, whole.position, whole.counters)


def test_a_stop_changes_no_bit_of_what_the_same_processes_learn(stage_context: Contexts) -> None:
    stopped(stage_context, 2)
    for runs in (SHARES, "alone"):
        told = together(stage_context, trunk(4), 2, runs=runs, execution=SHARDED)
        assert {word for _, word, _, _ in told} == {"done"}, told
    assert_alike(stage_context, SHARES)


@pytest.fixture
def saves_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Save after each step, in this process's children too."""
    original = Training

    def often(**given: Any) -> Any:
        return original(**given, checkpoint_seconds=0.0)

    monkeypatch.setattr("models.stages.pretraining.Training", often)


@pytest.mark.usefixtures("saves_often")
@pytest.mark.parametrize("file", [share(1, 1), share(2, 2)])
def test_damaged_shares_cost_the_steps_since_the_checkpoint_before(
    stage_context: Contexts, file: str
) -> None:
    folder = stopped(stage_context, 2)
    assert checkpoint_folders.positions(folder.checkpoints) == [BATCH, 2 * BATCH]
    path = folder.checkpoints / str(2 * BATCH) / file
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    for runs, steps in ((SHARES, 3), ("alone", 4)):
        told = together(stage_context, trunk(4), 2, runs=runs, execution=SHARDED)
        assert [(word, len(losses)) for _, word, losses, _ in told] == [("done", steps)] * 2
    assert_alike(stage_context, SHARES)


def lives(make: Contexts, runs: str, before: Callable[[int], object] = lambda _: None) -> list[int]:
    """Train in two processes, each with a share; return their process numbers."""
    port, pids = free_port(), list[int]()
    for rank in range(2):
        context = make(trunk(4), runs=runs, execution=SHARDED)
        context.world = World(rank=rank, size=2, local_rank=rank, port=port)
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                torch.set_num_threads(1)
                before(rank)
                stages.text_pretrain(context)
                code = 0
            finally:
                os._exit(code)
        pids.append(pid)
    return pids


def codes(pids: list[int]) -> list[int]:
    return [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids]


def assert_alike(make: Contexts, runs: str) -> None:
    """Compare a run with one that nothing disturbed."""
    disturbed, alone = (weights(make, trunk(4), runs=name) for name in (runs, "alone"))
    assert differ(disturbed, alone) == 0


@pytest.mark.usefixtures("saves_often")
def test_kills_at_random_moments_change_no_bit(stage_context: Contexts) -> None:
    began = time.monotonic()
    assert codes(lives(stage_context, "alone")) == [0, 0]
    usual = time.monotonic() - began
    rng = random.Random(0)
    kills, rounds, saved = 0, 0, 0
    while kills < KILLS:
        rounds += 1
        runs = f"killed {rounds}"
        folder = stage_context(trunk(4), runs=runs).folder
        while kills < KILLS and not folder.checkpoints.joinpath(str(4 * BATCH)).exists():
            pids = lives(stage_context, runs)
            time.sleep(rng.uniform(0.2, 1.0) * usual)
            for pid in rng.sample(pids, 2):
                os.kill(pid, signal.SIGKILL)
            codes(pids)
            kills += 1
            saved += bool(checkpoint_folders.positions(folder.checkpoints))
        assert codes(lives(stage_context, runs)) == [0, 0]
        assert_alike(stage_context, runs)
    assert saved, "no kill came after a checkpoint"


@pytest.mark.usefixtures("saves_often")
@pytest.mark.parametrize("victim", [0, 1])
def test_a_disk_that_is_full_for_one_process_stops_all_and_the_next_ones_go_on(
    stage_context: Contexts, victim: int
) -> None:
    assert codes(lives(stage_context, "alone")) == [0, 0]

    def fill(rank: int) -> None:
        if rank == victim:  # files of this process may not grow beyond its share
            resource.setrlimit(resource.RLIMIT_FSIZE, (2_000, resource.RLIM_INFINITY))

    assert codes(lives(stage_context, SHARES, fill)) == [1, 1]
    folder = stage_context(trunk(4), runs=SHARES).folder
    assert checkpoint_folders.positions(folder.checkpoints) == []
    assert codes(lives(stage_context, SHARES)) == [0, 0]
    assert_alike(stage_context, SHARES)


def test_a_process_that_lost_its_run_publishes_no_shares(tmp_path: Path) -> None:
    torch.distributed.init_process_group(
        "gloo", init_method=f"tcp://127.0.0.1:{free_port()}", rank=0, world_size=1
    )
    try:
        mesh = init_device_mesh("cpu", (1,))
        part = checkpoint_folders.begin(tmp_path, 10)
        content = Checkpoint(
            step=1, position=10, counters={}, weights={"a": torch.ones(2)}, optimizer={}
        )

        def lost() -> AbstractContextManager[None]:
            raise LaunchError("taken over", "lease.json", "nothing to do")

        with pytest.raises(LaunchError):
            checkpoint.save_shares(part, content, mesh, keep=1, also=(), holding=lost)
        assert checkpoint_folders.positions(tmp_path) == []
        checkpoint.save_shares(part, content, mesh, keep=1, also=(), holding=nullcontext)
        assert checkpoint_folders.positions(tmp_path) == [10]
    finally:
        torch.distributed.destroy_process_group()
