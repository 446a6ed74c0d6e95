"""Values in words: as people write them, and never two of them alike."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.cli.setting_words import plain, said
from orchestrator.plan.compare.recipe import Leaf


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (3e-4, "3e-4"),
        (1e-5, "1e-5"),
        (0.00123, "1.23e-3"),
        (0.01, "0.01"),
        (1 / 3, "0.3333333333333333"),
        (0.0, "0.0"),
        (9_999, "9999"),
        (4_300_000, "4,300,000"),
        (True, "true"),
        (None, "-"),
        ("rms_norm", "rms_norm"),
        (("a", 1, None), "[a, 1, -]"),
        ({"when": [1], "set": {"epochs": 2}}, "{when: [1], set: {epochs: 2}}"),
    ],
)
def test_a_value_reads_as_people_write_it(value: Leaf, words: str) -> None:
    assert said(value) == words


@given(st.floats(allow_nan=False, allow_infinity=False), st.floats(allow_nan=False))
def test_different_numbers_read_differently(one: float, other: float) -> None:
    assert float(said(one)) == one
    assert (said(one) == said(other)) == (repr(one) == repr(other))


def test_tuples_are_lists_in_json() -> None:
    assert plain((1, ("a", None), 0.5)) == [1, ["a", None], 0.5]
