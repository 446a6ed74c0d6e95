"""Windows over long texts: nothing is scored twice or left out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.evaluation.windows import windows

TOKENS = tuple(range(100, 110))


def test_a_text_that_fits_is_one_window() -> None:
    (window,) = windows(TOKENS, 4, 9)
    assert (window.tokens, window.start) == (TOKENS, 4)


def test_context_without_room_loses_its_beginning() -> None:
    (window,) = windows(TOKENS, 8, 5)
    assert (window.tokens, window.start) == (TOKENS[4:], 4)


@pytest.mark.parametrize("start", [10, 11])
def test_where_nothing_is_scored_there_is_no_window(start: int) -> None:
    assert windows(TOKENS, start, 5) == []


def test_long_texts_roll_as_in_the_harness() -> None:
    # The example of lm-eval's `loglikelihood_rolling`: prefix, ten tokens, context length 4.
    found = windows((0, *TOKENS), 1, 4)
    assert [(w.tokens[:-1], w.tokens[w.start :]) for w in found] == [
        ((0, *TOKENS[:3]), TOKENS[:4]),
        (TOKENS[3:7], TOKENS[4:8]),
        (TOKENS[5:9], TOKENS[8:]),
    ]


@given(n=st.integers(2, 60), start=st.integers(1, 59), seq_len=st.integers(1, 20))
def test_each_token_is_scored_once_within_the_length(n: int, start: int, seq_len: int) -> None:
    start = min(start, n - 1)
    tokens = tuple(range(n))
    found = windows(tokens, start, seq_len)
    assert [t for w in found for t in w.tokens[w.start :]] == list(tokens[start:])
    assert all(1 <= w.start < len(w.tokens) <= seq_len + 1 for w in found)
