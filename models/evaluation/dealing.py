"""Deal batches over the processes of an attempt; each of them gets every result.

The batches are those of one process, and so are the bits of each result: it does not matter which
process computes a batch.
"""

from collections.abc import Callable, Sequence
from typing import TypeVar

from models.training.ranks import Ranks
from orchestrator.errors import SweepError
from orchestrator.store.stage import StoppedError

BATCHES_AT_ONCE = 8
"""Batches that a process computes between two meetings: a stop, or an error that one process
meets, ends the others after so many at most."""

Batch = TypeVar("Batch")
Result = TypeVar("Result")


def dealt(ranks: Ranks, batches: Sequence[Batch], work: Callable[[Batch], Result]) -> list[Result]:
    """Return the result of each batch, in order, on all processes.

    Args:
        ranks: the processes; all call this with the same batches.
        batches: what is dealt, one after the other.
        work: computes one.

    Raises:
        SweepError: the first that `work` raises in any process, in all of them.
        StoppedError: if one of them was asked to stop.
    """
    size = ranks.world.size
    if size == 1:
        return [work(batch) for batch in batches]
    results: list[Result] = []
    for start in range(0, len(batches), size * BATCHES_AT_ONCE):
        some = batches[start : start + size * BATCHES_AT_ONCE]
        results += _round(ranks, some, work)
    return results


def _round(ranks: Ranks, batches: Sequence[Batch], work: Callable[[Batch], Result]) -> list[Result]:
    own: list[Result] = []
    error: SweepError | StoppedError | None = None
    try:
        own = [work(batch) for batch in batches[ranks.world.rank :: ranks.world.size]]
    except (SweepError, StoppedError) as raised:
        error = raised
    told = ranks.everyones((own, error))
    for _, raised in told:
        if raised is not None:
            raise raised
    shares = [share for share, _ in told]
    return [shares[i % len(shares)][i // len(shares)] for i in range(len(batches))]
