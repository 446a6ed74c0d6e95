"""Doing tasks in several processes, with results in the tasks' order."""

import multiprocessing
import os
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Self, TypeVar

from orchestrator.errors import DataError

Task = TypeVar("Task")
Result = TypeVar("Result")

_THREADS = "TOKENIZERS_PARALLELISM"
"""Read by `tokenizers` at each call: whether a batch is spread over threads of its own."""


class Workers:
    """Up to so many processes that do tasks; one worker is this process. Each uses one core.

    They start with the first tasks and end with the `with` block.
    """

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._executor: ProcessPoolExecutor | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._executor is not None:
            self._executor.shutdown(cancel_futures=True)

    def results(
        self, function: Callable[[Task], Result], tasks: Sequence[Task]
    ) -> Iterator[Result]:
        """Yield the result of each task, in order.

        Raises:
            DataError: if a worker is killed. What a task raises is passed on.
        """
        if self._workers == 1 or not tasks:
            yield from self._one_by_one(function, tasks)
            return
        if self._executor is None:
            spawn = multiprocessing.get_context("spawn")
            self._executor = ProcessPoolExecutor(self._workers, spawn, initializer=_begin_worker)
        try:
            futures = [self._executor.submit(function, task) for task in tasks]
            for future in futures:
                yield future.result()
        except BrokenProcessPool as error:
            raise DataError(
                "a worker process was killed",
                where=function.__name__,
                mend="run again: it goes on where it stood; with fewer workers if memory ran out",
            ) from error

    def _one_by_one(
        self, function: Callable[[Task], Result], tasks: Sequence[Task]
    ) -> Iterator[Result]:
        for task in tasks:
            with _one_thread():
                result = function(task)
            yield result


def _begin_worker() -> None:
    os.environ[_THREADS] = "false"
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """End with the parent, however it ends: a worker that waits for tasks would never know."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


@contextmanager
def _one_thread() -> Generator[None]:
    before = os.environ.get(_THREADS)
    os.environ[_THREADS] = "false"
    try:
        yield
    finally:
        if before is None:
            del os.environ[_THREADS]
        else:
            os.environ[_THREADS] = before
