"""What the next step takes is made beside this one, and given in its turn."""

import threading

import pytest

from models.training.ahead import Ahead


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
