"""Numbers as people write them are understood, or refused with their unit in question."""

import pytest

from orchestrator.errors import ConfigError
from orchestrator.spec.quantity import parse_count, parse_share


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
