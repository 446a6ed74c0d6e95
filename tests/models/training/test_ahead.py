"""What the next step takes is made beside this one, and given in its turn."""

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from models.architecture.build import build_model
from models.data.batch import Batch
from models.stages.next_token import next_token
from models.training.ahead import Ahead
from orchestrator.spec.execution import Execution
from tests.models.test_stages import trunk


def test_the_next_one_is_made_before_it_is_asked_for() -> None:
    made = {position: threading.Event() for position in range(0, 40, 10)}

    def make(position: int) -> str:
        made[position].set()
        return f"at {position}"

    ahead = Ahead(make, 10)
    assert ahead(0) == "at 0"
    assert made[10].wait(10)
    assert not made[20].is_set()
    assert [ahead(10), ahead(20)] == ["at 10", "at 20"]


def test_any_position_may_be_asked_for() -> None:
    ahead = Ahead(lambda position: position, 5)
    assert [ahead(position) for position in (0, 5, 100, 3, 8)] == [0, 5, 100, 3, 8]


def test_what_goes_wrong_is_raised_where_it_is_asked_for() -> None:
    def make(position: int) -> int:
        if position == 2:
            raise ValueError(f"no batch at {position}")
        return position

    ahead = Ahead(make, 1)
    assert [ahead(0), ahead(1)] == [0, 1]
    with pytest.raises(ValueError, match="no batch at 2"):
        ahead(2)
    assert ahead(3) == 3


@pytest.mark.parametrize(("threads", "stride"), [(1, None), (2, trunk(1).batch_tokens)])
def test_batches_are_made_ahead_where_a_thread_is_idle(
    stage_context: Callable[..., Any], threads: int, stride: int | None
) -> None:
    def batch(position: int) -> Batch:
        ids = np.full((1, 2), position)
        return Batch(ids, ids, ids, np.zeros(0, dtype=np.int64))

    context = stage_context(trunk(1), execution=Execution(threads=threads))
    model = build_model(trunk(1).model, None, 0)
    assert next_token(context, trunk(1), model, batch, None).stride == stride
