"""Tasks are done in order by any number of processes; a lost process is an error, not a hang."""

import os

import pytest

from models.data.tokenizing.workers import Workers
from orchestrator.errors import DataError


@pytest.mark.parametrize("workers", [1, 2])
def test_results_come_in_the_tasks_order_and_errors_are_passed_on(workers: int) -> None:
    with Workers(workers) as processes:
        assert list(processes.results(abs, [-3, 1, -2])) == [3, 1, 2]
        assert list(processes.results(abs, [])) == []
        results = processes.results(float, ["1", "none", "2"])
        assert next(results) == 1
        with pytest.raises(ValueError, match="none"):
            next(results)


def test_one_worker_is_this_process_and_two_are_not() -> None:
    with Workers(1) as here, Workers(2) as there:
        assert list(here.results(eval, ["__import__('os').getpid()"])) == [os.getpid()]
        assert os.getpid() not in list(there.results(eval, ["__import__('os').getpid()"] * 2))


def test_a_killed_worker_is_an_error_that_says_to_run_again() -> None:
    with Workers(2) as processes, pytest.raises(DataError, match="killed") as caught:
        list(processes.results(os._exit, [9, 9]))
    assert "run again" in caught.value.mend
