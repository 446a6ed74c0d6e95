"""The exceptions that ended a process are told from those that it survived."""

import pytest

from orchestrator.launch.tracebacks import PROGRESS_AFTER, raised_in

KEY = ["Traceback (most recent call last):", '  File "a.py", line 1, in f', "KeyError: 'a'"]
TYPE = ["Traceback (most recent call last):", '  File "b.py", line 2, in g', "TypeError: b"]
DURING = "During handling of the above exception, another exception occurred:"
STEPS = [f"step {n} loss 1.0" for n in range(PROGRESS_AFTER)]


def names(*lines: str) -> list[str]:
    return [raised.name for raised in raised_in(lines)]


def test_an_exception_is_read_with_its_place() -> None:
    (raised,) = raised_in(["hello", *KEY, "  of a dictionary", "srun: error: n1: task 0: Exited"])
    assert (raised.kind, raised.innermost, raised.line) == ("KeyError", "a.py", 3)
    assert raised.message == "'a'\n  of a dictionary"
    assert raised.told == "KeyError: 'a'"


def test_a_module_is_no_part_of_the_name() -> None:
    (raised,) = raised_in([*KEY[:2], "torch.distributed.DistBackendError: NCCL error"])
    assert raised.name == "DistBackendError"


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([], []),
        (["KeyError: 'a'"], []),
        (KEY[:2], []),
        (KEY, ["KeyError"]),
        ([*KEY, DURING, *TYPE], ["KeyError", "TypeError"]),
        (["Exception ignored in: <function f>", *KEY], []),
        (["Exception in thread T:", *KEY], []),
        (["WARNING: cannot reach it, will retry", *KEY, "INFO: reached"], []),
        (["WARNING: cannot reach it, will retry", *KEY, DURING, *TYPE, "INFO: reached"], []),
        (["WARNING: cannot reach it, will retry", *KEY, "srun: error: Exited"], ["KeyError"]),
        (["INFO: step took 1 s", *KEY, "more"], ["KeyError"]),
        ([*KEY, *STEPS], []),
        ([*KEY, *STEPS[1:]], ["KeyError"]),
        ([*STEPS, *KEY], ["KeyError"]),
        (['  File "a.py", line 1', "    if x = 1:", "SyntaxError: invalid"], ["SyntaxError"]),
    ],
)
def test_which_exceptions_count(lines: list[str], expected: list[str]) -> None:
    assert names(*lines) == expected
