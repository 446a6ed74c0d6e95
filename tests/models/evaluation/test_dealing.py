"""Several processes evaluate as one does, to the byte: real ones, over gloo."""

import multiprocessing
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

from models.evaluation.dealing import BATCHES_AT_ONCE, dealt
from models.evaluation.evaluate import ANSWERS, QUESTIONS, evaluate
from models.training.ranks import Ranks, joined
from orchestrator.errors import DataError
from orchestrator.spec.execution import Execution
from orchestrator.spec.suite import Images, SuiteKind
from orchestrator.store.layout import RunFolder
from orchestrator.store.stage import Progress, StageResult, StoppedError
from orchestrator.store.world import World
from tests.models.training.test_ranks import free_port

ContextOf = Callable[..., Any]
TEXT_BENCHMARKS = ("shapeworld_facts", "shapeworld_scenes", "shapeworld_sums")
POSITIONS = 200
"""Of one batch: so few that each process has many."""


@dataclass
class Told:
    """What one process saw."""

    rank: int
    word: str
    result: StageResult | None
    reports: list[Progress]
    ticks: int


def together(work: Callable[[World], object], size: int) -> list[Any]:
    """Do `work` in several processes, and return what each gives, by rank."""
    fork = multiprocessing.get_context("fork")
    queue, port = fork.Queue(), free_port()

    def run(world: World) -> None:
        torch.set_num_threads(1)
        try:
            queue.put((world.rank, work(world)))
        except Exception as error:  # noqa: BLE001  (told to the test)
            queue.put((world.rank, error))

    worlds = [World(rank=rank, size=size, local_rank=rank, port=port) for rank in range(size)]
    processes = [fork.Process(target=run, args=(world,)) for world in worlds]
    for process in processes:
        process.start()
    told = dict(queue.get(timeout=120) for _ in processes)
    for process in processes:
        process.join(30)
    return [told[rank] for rank in range(size)]


def evaluated(
    context_of: ContextOf, folder: Path, size: int, stops: Sequence[int | None] = (), **more: Any
) -> list[Told]:
    """Evaluate in several processes."""

    def work(world: World) -> Told:
        context = context_of(**more)
        context.world, context.folder = world, RunFolder(folder)
        context.stops_after = stops[world.rank] if stops else None
        result, word = None, "done"
        try:
            result = evaluate(context, batch_positions=POSITIONS)
        except StoppedError:
            word = "stopped"
        return Told(world.rank, word, result, context.reports, context.ticks)

    told = together(work, size)
    assert all(isinstance(one, Told) for one in told), told
    return told


def answers(folder: Path) -> list[bytes]:
    artifacts = RunFolder(folder).artifacts
    return [(artifacts / name).read_bytes() for name in (ANSWERS, QUESTIONS)]


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"images": Images.PERMUTED, "limit": 7},
        {"kind": SuiteKind.TEXT, "benchmarks": TEXT_BENCHMARKS},
    ],
    ids=["vision", "slim and permuted", "text"],
)
def test_two_and_three_processes_leave_the_bytes_of_one(
    context_of: ContextOf, tmp_path: Path, more: dict[str, Any]
) -> None:
    (alone,) = evaluated(context_of, tmp_path / "1", 1, **more)
    assert alone.result is not None
    for size in (2, 3):
        folder = tmp_path / str(size)
        told = evaluated(context_of, folder, size, **more)
        assert [one.result for one in told] == [alone.result] * size
        assert answers(folder) == answers(tmp_path / "1")
        assert [one.reports for one in told] == [alone.reports] * size
        left = {path.name for path in RunFolder(folder).artifacts.iterdir()}
        assert left == {ANSWERS, QUESTIONS}
        asked = [one.ticks for one in told]
        assert max(asked) < alone.ticks  # nobody asks everything


def test_a_stop_seen_by_one_stops_all_and_another_number_goes_on(
    context_of: ContextOf, tmp_path: Path
) -> None:
    evaluated(context_of, tmp_path / "alone", 1)
    told = evaluated(context_of, tmp_path / "run", 2, stops=(None, 30))
    assert [one.word for one in told] == ["stopped", "stopped"]
    told = evaluated(context_of, tmp_path / "run", 3)
    assert [one.word for one in told] == ["done"] * 3
    assert answers(tmp_path / "run") == answers(tmp_path / "alone")


def in_ranks(world: World, work: Callable[[int], object], count: int) -> list[object]:
    with joined(world, Execution()) as ranks:
        return dealt(ranks, range(count), work)


@pytest.mark.parametrize("count", [0, 1, 2, 7, 4 * BATCHES_AT_ONCE + 1])
def test_results_come_in_the_order_of_their_batches(count: int) -> None:
    told = together(lambda world: in_ranks(world, lambda batch: -batch, count), 2)
    assert told == [[-batch for batch in range(count)]] * 2


def test_an_error_of_one_process_is_an_error_of_all() -> None:
    def work(batch: int) -> int:
        if batch == 3:
            raise DataError("the image cannot be decoded", f"image {batch}", "fetch it again")
        return batch

    told = together(lambda world: in_ranks(world, work, 5), 2)
    assert [type(error) for error in told] == [DataError, DataError]
    assert [error.where for error in told] == ["image 3"] * 2


def test_a_process_alone_exchanges_nothing() -> None:
    assert dealt(Ranks(World()), ["a", "b"], str.upper) == ["A", "B"]
