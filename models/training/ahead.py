"""Make what the next step takes while this one is computed."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

Made = TypeVar("Made")


class Ahead(Generic[Made]):
    """Gives what a function of positions gives, and calls it for the next one in a thread.

    What goes wrong there is raised when its position is asked for.
    """

    def __init__(self, make: Callable[[int], Made], stride: int) -> None:
        """Start nothing yet.

        Args:
            make: the function. It is called by one thread at a time.
            stride: from one position to the next. Others may be asked for, and are waited for.
        """
        self._make = make
        self._stride = stride
        self._thread = ThreadPoolExecutor(1, "ahead")
        self._next: tuple[int, Future[Made]] | None = None

    def __call__(self, position: int) -> Made:
        """Return what the function gives for a position."""
        expected, self._next = self._next, None
        if expected is not None and expected[0] == position:
            made = expected[1].result()
        else:
            made = self._thread.submit(self._make, position).result()
        following = position + self._stride
        self._next = following, self._thread.submit(self._make, following)
        return made
