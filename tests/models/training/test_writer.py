"""Work beside training is done one piece after the other, and its failures come back."""

import threading

import pytest

from models.training.writer import Writer


def test_work_goes_on_beside_and_one_piece_after_the_other() -> None:
    writer, may_end, done = Writer(), threading.Event(), list[str]()

    def first() -> None:
        assert may_end.wait(10)
        done.append("first")

    writer.start(first)
    assert done == []
    may_end.set()
    writer.start(lambda: done.append("second"))
    writer.wait()
    assert done == ["first", "second"]


def test_what_fails_beside_is_raised_once() -> None:
    writer = Writer()

    def full() -> None:
        raise OSError(28, "No space left on device")

    writer.start(full)
    with pytest.raises(OSError, match="No space"):
        writer.wait()
    writer.check()
    writer.start(full)
    with pytest.raises(OSError, match="No space"):
        writer.start(lambda: None)
