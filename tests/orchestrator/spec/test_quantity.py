"""Numbers as people write them are understood, or refused with their unit in question."""

import pytest

from orchestrator.errors import ConfigError
from orchestrator.spec.quantity import TokenBudget, parse_count, parse_share


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("28B", 28_000_000_000),
        ("4.3T", 4_300_000_000_000),
        ("79m", 79_000_000),
        ("1_500", 1_500),
        ("0.5k", 500),
    ],
)
def test_counts_with_suffixes_are_whole_numbers(text: str, count: int) -> None:
    assert parse_count(text) == count


@pytest.mark.parametrize("text", ["", "1e9", "0.0005k", "-3", "12 bananas", "1.5", "80%"])
def test_what_is_no_whole_number_is_refused(text: str) -> None:
    with pytest.raises(ConfigError):
        parse_count(text)


def test_a_share_needs_its_percent_sign() -> None:
    assert parse_share("80%") == 0.8
    assert parse_share("0.1 %") == 0.001
    with pytest.raises(ConfigError):
        parse_share("80")


@pytest.mark.parametrize(
    ("written", "tokens"),
    [
        (204_800, 204_800),
        ("204_800", 204_800),
        ("28B", 28_000_000_500),  # the nearest whole number of steps of 1,500
        ("20x", 1_000_500),  # 20 x 50,000 parameters
        ("0.5x", 25_500),  # 25,000 is 16.7 steps
        ("3e9 FLOP", 10_500),  # 10,000 at 3e5 FLOP a token is 6.7 steps
    ],
)
def test_a_budget_means_whole_steps_where_it_is_a_round_figure(
    written: int | str, tokens: int
) -> None:
    budget = TokenBudget.from_plain(written)
    resolved = budget.resolved(params=50_000, flops_per_token=3e5, batch_tokens=1_500)
    assert resolved.count == tokens
    assert resolved.resolved(params=1, flops_per_token=1, batch_tokens=7) == resolved


@pytest.mark.parametrize("written", [True, 1.5, None, "20 x y", "x", 0, "0x", "0 FLOP", "80%", -1])
def test_what_is_no_budget_is_refused(written: object) -> None:
    with pytest.raises(ConfigError):
        TokenBudget.from_plain(written)
