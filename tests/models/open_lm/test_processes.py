"""Several processes of OpenLM's trainer train a trunk together: real ones, over gloo.

OpenLM at 9bb92ef hands `DistributedDataParallel` a CPU as its device, which torch refuses. Against
the real one these tests need a copy with `device_ids=None`.
"""

import socket
import time
from collections.abc import Callable
from typing import Any

import pytest
import torch

from models.open_lm import process
from models.open_lm.trunk import text_pretrain
from models.training import checkpoint
from orchestrator.errors import RecordError
from orchestrator.spec.identity import run_id
from orchestrator.store.stage import StageResult, StoppedError
from orchestrator.store.world import World
from tests.models.evaluation.test_dealing import together
from tests.models.open_lm.conftest import BATCH, REAL, STEPS, segment
from tests.models.open_lm.test_trunk import assert_alike, standin_only

Contexts = Callable[..., Any]


@pytest.fixture(autouse=True)
def looks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "LOOK_SECONDS", 0.05)


def trained(context_of: Callable[[], Any], stop: int | None = None) -> list[Any]:
    """Train in two processes, of which one may be asked to stop; return what each gives."""

    def work(world: World) -> StageResult:
        context = context_of()
        context.world = world
        context.stop_after = 0 if world.rank == stop else None
        return text_pretrain(context)

    return together(work, 2)


def test_two_processes_train_the_trunk_in_segments_and_in_one_go(contexts: Contexts) -> None:
    whole = trained(lambda: contexts(segment(STEPS), runs="whole"))
    previous = None
    for end in (4, 8, STEPS):
        both = trained(lambda end=end, before=previous: contexts(segment(end), previous=before))
        assert all(isinstance(one, StageResult) for one in both), both
        previous = run_id(segment(end))
    assert both[0] == both[1]
    assert both[0].counts == {"steps": STEPS, "tokens": STEPS * BATCH, "text_tokens": STEPS * BATCH}
    assert whole[0].counts == both[0].counts
    assert_alike(contexts(segment(STEPS)), contexts(segment(STEPS), runs="whole"))


def test_two_processes_learn_what_one_does(contexts: Contexts) -> None:
    both, _ = trained(lambda: contexts(segment(STEPS), runs="both"))
    one = text_pretrain(contexts(segment(STEPS)))
    losses = [made.measures[0].value for made in (both, one)]
    # The real one deals shards to processes, in another order than to one.
    assert losses[0] == pytest.approx(losses[1], rel=0.15 if REAL else 1e-5)
    saved = checkpoint.finished(contexts(segment(STEPS), runs="both").folder)
    assert saved.optimizer is not None
    assert float(saved.optimizer["decoder.norm.weight.step"]) == STEPS
    assert all(torch.isfinite(weights).all() for weights in saved.weights.values())


@standin_only
@pytest.mark.parametrize("rank", [0, 1])
def test_a_trainer_that_dies_ends_the_others_that_wait_for_it(
    contexts: Contexts, monkeypatch: pytest.MonkeyPatch, rank: int
) -> None:
    monkeypatch.setenv("STANDIN_DIE", f"rank_{rank}")
    began = time.monotonic()
    both = trained(lambda: contexts(segment(STEPS)))
    assert time.monotonic() - began < 60  # gloo would wait for half an hour
    assert all(isinstance(one, RecordError) for one in both), both
    assert all("before the segment's end" in one.what for one in both)


@standin_only
def test_a_trainer_that_need_not_write_does_not_end_the_one_that_does(
    contexts: Contexts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STANDIN_SAVE_SECONDS", "3")
    both = trained(lambda: contexts(segment(STEPS)))
    assert all(isinstance(one, StageResult) for one in both), both


@standin_only
def test_trainers_do_not_meet_on_a_port_that_is_taken(contexts: Contexts) -> None:
    def work(world: World) -> StageResult:
        context = contexts(segment(STEPS))
        context.world = world
        with socket.socket() as taken:
            if world.is_first:
                taken.bind(("", world.port + 1))  # next to the one that our processes meet on
                taken.listen()
            return text_pretrain(context)

    both = together(work, 2)
    assert all(isinstance(one, StageResult) for one in both), both


def test_one_process_asked_to_stop_stops_both(contexts: Contexts) -> None:
    both = trained(lambda: contexts(segment(STEPS)), stop=1)
    assert all(isinstance(one, StoppedError) for one in both), both
    again = trained(lambda: contexts(segment(STEPS)))
    assert all(isinstance(one, StageResult) for one in again), again
