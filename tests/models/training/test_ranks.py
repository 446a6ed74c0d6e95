"""Several processes train one run as one process does: real ones, over gloo."""

import multiprocessing
import socket
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch

from models import stages
from models.training import checkpoint, checkpoint_folders, sharding
from orchestrator.spec.execution import Execution, Precision
from orchestrator.spec.guard import BadStep, Guard
from orchestrator.spec.model import Norm
from orchestrator.spec.parallel import Recompute, Sharding
from orchestrator.spec.run import RunConfig
from orchestrator.store.stage import StageContext, StageResult, StoppedError
from orchestrator.store.world import World
from tests.models.test_stages import BATCH, BRANCH, TOWER, trunk

Contexts = Callable[..., Any]
STAGES: dict[type[RunConfig], Callable[[StageContext], StageResult]] = {
    type(trunk(1)): stages.text_pretrain,
    type(BRANCH): stages.image_text_pretrain,
    type(TOWER): stages.tower_pretrain,
}
TOLERANCE = 1e-3
"""Of weights: fp32 sums in another order, which Adam's first steps, whatever the gradient's size,
turn into a part of a step (learning rate 3e-3)."""


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def _work(context: Any, queue: Any) -> None:
    torch.set_num_threads(1)
    try:
        result = STAGES[type(context.config)](context)
        queue.put((context.world.rank, "done", [p.loss for p in context.reports], result.counts))
    except StoppedError:
        queue.put((context.world.rank, "stopped", [p.loss for p in context.reports], {}))
    except Exception as error:  # noqa: BLE001  (told to the test)
        queue.put((context.world.rank, repr(error), [], {}))


def together(
    make: Contexts,
    config: RunConfig,
    size: int,
    stops: Sequence[int | None] | None = None,
    **more: Any,
) -> list[tuple[int, str, list[float], dict[str, int]]]:
    """Run a stage in several processes and return what each of them saw, by rank."""
    spawn = multiprocessing.get_context("fork")
    queue, port = spawn.Queue(), free_port()
    processes: list[Any] = []
    for rank in range(size):
        context = make(config, **more)
        context.world = World(rank=rank, size=size, local_rank=rank, port=port)
        context.stop_after = (stops or [None] * size)[rank]
        processes.append(spawn.Process(target=_work, args=(context, queue)))
    for process in processes:
        process.start()
    told = sorted(queue.get(timeout=60) for _ in processes)
    for process in processes:
        process.join(30)
    return told


def weights(make: Contexts, config: RunConfig, **more: Any) -> dict[str, torch.Tensor]:
    return dict(checkpoint.finished(make(config, **more).folder).weights)


def differ(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> float:
    assert a.keys() == b.keys()
    return max(float((a[name] - b[name]).abs().max()) for name in a)


@pytest.mark.parametrize("accumulation", [1, 2])
@pytest.mark.parametrize("size", [2, 4])
def test_several_processes_follow_the_loss_curve_of_one(
    stage_context: Contexts, size: int, accumulation: int
) -> None:
    alone = together(stage_context, trunk(4), 1, runs="alone")
    more: dict[str, Any] = {"runs": f"{size}", "execution": Execution(accumulation=accumulation)}
    several = together(stage_context, trunk(4), size, **more)
    assert {word for _, word, _, _ in several} == {"done"}
    for _, _, losses, _ in several:
        assert losses == pytest.approx(alone[0][2], rel=1e-5)
    first = several[0][3]
    assert first == alone[0][3]  # counts of the whole batch
    gap = differ(
        weights(stage_context, trunk(4), **more), weights(stage_context, trunk(4), runs="alone")
    )
    assert gap < TOLERANCE


def test_processes_without_a_share_of_the_batch_still_follow(stage_context: Contexts) -> None:
    alone = together(stage_context, trunk(2), 1, runs="alone")
    many = together(stage_context, trunk(2), 6, runs="six")  # four rows for six processes
    assert many[5][2] == pytest.approx(alone[0][2], rel=1e-5)


def test_the_same_processes_give_the_same_bits(stage_context: Contexts) -> None:
    for runs in ("a", "b"):
        together(stage_context, trunk(3), 2, runs=runs)
    first, second = (weights(stage_context, trunk(3), runs=runs) for runs in ("a", "b"))
    assert differ(first, second) == 0


def test_a_stop_seen_by_one_stops_all_and_another_number_goes_on(stage_context: Contexts) -> None:
    told = together(stage_context, trunk(4), 2, stops=(None, 2), runs="stopped")
    assert [word for _, word, _, _ in told] == ["stopped", "stopped"]
    folder = stage_context(trunk(4), runs="stopped").folder
    assert checkpoint_folders.positions(folder.checkpoints) == [2 * BATCH]
    for size in (3, 1):
        told = together(stage_context, trunk(4), size, runs="stopped")
        assert {word for _, word, _, _ in told} == {"done"}
    alone = together(stage_context, trunk(4), 1, runs="alone")
    gap = differ(
        weights(stage_context, trunk(4), runs="stopped"),
        weights(stage_context, trunk(4), runs="alone"),
    )
    assert alone[0][1] == "done"
    assert gap < TOLERANCE


def test_images_and_towers_are_trained_by_two_as_by_one(stage_context: Contexts) -> None:
    for config in (TOWER, replace(BRANCH, trunk=None)):
        for size in (1, 2):
            told = together(stage_context, config, size, runs=str(size))
            assert {word for _, word, _, _ in told} == {"done"}, told
        one, two = (weights(stage_context, config, runs=str(size)) for size in (1, 2))
        assert differ(one, two) < TOLERANCE


SHARDED = Execution(sharding=Sharding.SHARDED)


@pytest.mark.parametrize("accumulation", [1, 2])
@pytest.mark.parametrize("size", [2, 4])
def test_processes_with_a_share_of_the_weights_follow_the_loss_curve_of_one(
    stage_context: Contexts, size: int, accumulation: int
) -> None:
    alone = together(stage_context, trunk(4), 1, runs="alone")
    execution = replace(SHARDED, accumulation=accumulation)
    more: dict[str, Any] = {"runs": f"{size}", "execution": execution}
    several = together(stage_context, trunk(4), size, **more)
    assert {word for _, word, _, _ in several} == {"done"}, several
    for _, _, losses, _ in several:
        assert losses == pytest.approx(alone[0][2], rel=1e-5)
    assert several[0][3] == alone[0][3]
    gap = differ(
        weights(stage_context, trunk(4), **more), weights(stage_context, trunk(4), runs="alone")
    )
    assert gap < TOLERANCE


def test_shares_are_stopped_saved_as_such_and_taken_up_by_another_number_or_way(
    stage_context: Contexts,
) -> None:
    ways = ((2, SHARDED), (3, SHARDED), (2, Execution()), (2, SHARDED), (1, Execution()))
    config = trunk(len(ways))
    for stop, (size, execution) in enumerate(ways, start=1):
        stops = [1 if stop < len(ways) else None] * size
        told = together(
            stage_context, config, size, stops=stops, runs="shares", execution=execution
        )
        wanted = {"stopped"} if stop < len(ways) else {"done"}
        assert {word for _, word, _, _ in told} == wanted, told
    together(stage_context, config, 1, runs="alone")
    gap = differ(
        weights(stage_context, config, runs="shares"), weights(stage_context, config, runs="alone")
    )
    assert gap < TOLERANCE


@pytest.mark.parametrize("norm", [Norm.GAIN_ONLY_LP, Norm.NO_WEIGHT, Norm.RMS])
def test_shares_that_come_together_in_bf16_learn_the_same_bits(
    stage_context: Contexts, monkeypatch: pytest.MonkeyPatch, norm: Norm
) -> None:
    config = replace(trunk(3), model=replace(trunk(3).model, norm=norm))
    more: dict[str, Any] = {"execution": replace(SHARDED, precision=Precision.BF16)}
    told = together(stage_context, config, 2, runs="bf16", **more)

    def never(block: Any) -> bool:
        return block is None

    monkeypatch.setattr(sharding, "casts_down", never)
    together(stage_context, config, 2, runs="fp32", **more)
    whole: dict[str, Any] = {"execution": Execution(precision=Precision.BF16)}
    expected = together(stage_context, config, 2, runs="whole", **whole)
    assert told[0][2] == pytest.approx(expected[0][2], rel=1e-5)
    bf16, fp32 = (weights(stage_context, config, runs=runs) for runs in ("bf16", "fp32"))
    assert differ(bf16, fp32) == 0


def test_shares_see_images_in_some_micro_batches_and_in_others_none(
    stage_context: Contexts,
) -> None:
    mixed = replace(BRANCH, trunk=None)
    for size, execution in ((1, Execution()), (2, SHARDED)):
        together(stage_context, TOWER, 1, runs=str(size))
        told = together(stage_context, mixed, size, runs=str(size), execution=execution)
        assert {word for _, word, _, _ in told} == {"done"}, told
    one, two = (weights(stage_context, mixed, runs=str(size)) for size in (1, 2))
    assert differ(one, two) < TOLERANCE


def test_shares_compute_blocks_again(stage_context: Contexts) -> None:
    config = replace(BRANCH, trunk=None, tokens=2 * BATCH)
    for runs in ("alone", "two"):
        together(stage_context, TOWER, 1, runs=runs)
    alone = together(stage_context, config, 1, runs="alone")
    execution = Execution(sharding=Sharding.SHARDED, recompute=Recompute.BLOCKS, accumulation=2)
    two = together(stage_context, config, 2, runs="two", execution=execution)
    assert [word for _, word, _, _ in two] == ["done", "done"], two
    for _, _, losses, _ in two:
        assert losses == pytest.approx(alone[0][2], rel=1e-5)


def test_blocks_computed_again_give_the_same_bits(stage_context: Contexts) -> None:
    again = Execution(recompute=Recompute.BLOCKS)
    together(stage_context, trunk(3), 1, runs="kept")
    together(stage_context, trunk(3), 1, runs="again", execution=again)
    kept, computed = (weights(stage_context, trunk(3), runs=runs) for runs in ("kept", "again"))
    assert differ(kept, computed) == 0


def test_all_processes_go_back_from_the_same_steps(stage_context: Contexts) -> None:
    guard = Guard(bad_step=BadStep.REWIND, rewind_steps=2, spike_sigmas=0.01, window=4, most=20)
    jumpy = replace(trunk(12), optimizer=replace(trunk(12).optimizer, guard=guard))
    alone = together(stage_context, jumpy, 1, runs="alone")
    assert alone[0][3]["left_out_steps"] > alone[0][3]["bad_steps"] > 1
    for runs, execution in (("whole", Execution()), ("shares", SHARDED)):
        told = together(stage_context, jumpy, 2, runs=runs, execution=execution)
        assert {word for _, word, _, _ in told} == {"done"}, told
        assert told[0][3] == alone[0][3]
        assert told[1][2] == pytest.approx(alone[0][2], rel=1e-4)
