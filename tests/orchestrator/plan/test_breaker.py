"""Failures are alike when only numbers, paths, addresses and hashes tell them apart."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.plan.breaker import (
    SAME_FAILURES,
    SIGNATURE_CHARACTERS,
    Failure,
    signature,
    tripped,
)
from orchestrator.plan.causes import Cause


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("step 12 of 400", "step 9 of 77"),
        ("loss is 3.5e-4", "loss is 12.25"),
        ("no such file: /data/a b.tar", "no such file: /scratch/x/a b.tar"),
        ("cannot open '/data/00001.tar'", "cannot open '/other/00731.tar'"),
        ("peer 10.0.0.7:29500 is gone", "peer 192.168.1.22:41234 is gone"),
        ("cannot reach https://a.example/x?y=1", "cannot reach http://b.example:80/"),
        ("object at 0x7f3a2c", "object at 0xdeadbeef"),
        ("the run is d51101a45c9c", "the run is 0a7e4b2f9c11"),
        ("job 6e3f6a52-9a3b-4c37-9b0e-2f3f7f1f0a11", "job 00000000-9a3b-4c37-9b0e-2f3f7f1f0a99"),
        ("tried to allocate 20.00 MiB, 1,024 free", "tried to allocate 7 MiB, 2,000 free"),
        ("GPU 3 on node17 failed", "GPU 0 on node4 failed"),
        ("too  many\tspaces", "too many spaces"),
        ("\x1b[31mred\x1b[0m", "red"),
    ],
)
def test_what_differs_between_runs_is_left_out(one: str, other: str) -> None:
    assert signature(one) == signature(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("KeyError: 'text'", "KeyError: 'image'"),
        ("out of memory", "out of space"),
        ("width is not divisible by heads", "depth is not divisible by heads"),
        ("no module named decade", "no module named facade"),
    ],
)
def test_what_is_said_differently_stays_different(one: str, other: str) -> None:
    assert signature(one) != signature(other)


@given(st.text(max_size=500))
def test_a_signature_is_short_and_has_no_digits(text: str) -> None:
    seen = signature(text)
    assert len(seen) <= SIGNATURE_CHARACTERS
    assert not any(character in "0123456789" for character in seen)


def test_a_huge_message_is_no_trouble() -> None:
    assert len(signature("a/1" * 1_000_000)) <= SIGNATURE_CHARACTERS


def failure(run_id: str, cause: Cause = Cause.BUG, message: str = "it broke") -> Failure:
    return Failure(run_id=run_id, cause=cause, message=message)


def test_the_breaker_trips_on_the_third_failure_that_is_alike() -> None:
    failures = [failure(f"r{n}", message=f"row {n} of /data/{n} is bad") for n in range(9)]
    assert tripped(failures[: SAME_FAILURES - 1]) is None
    trip = tripped(failures[:SAME_FAILURES])
    assert trip is not None
    assert trip.cause is Cause.BUG
    assert trip.run_ids == ("r0", "r1", "r2")
    assert trip.message == "row 0 of /data/0 is bad"
    assert trip.signature == "row <number> of <path> is bad"


def test_one_message_of_different_causes_does_not_trip_it() -> None:
    mixed = [failure("a"), failure("b", Cause.DATA), failure("c"), failure("d", Cause.NETWORK)]
    assert tripped(mixed) is None
    assert tripped([]) is None


def test_the_largest_group_is_named() -> None:
    few = [failure(f"f{n}", message="few") for n in range(3)]
    many = [failure(f"m{n}", message="many") for n in range(4)]
    trip = tripped([*few, *many])
    assert trip is not None
    assert trip.message == "many"
