"""Numbers as people write them: `28B` tokens, `20x` parameters, `80%` of a budget. Pure."""

import re
from fractions import Fraction

from orchestrator.errors import ConfigError

_SUFFIXES = {"": 1, "k": 10**3, "m": 10**6, "b": 10**9, "t": 10**12}
_COUNT = re.compile(r"\s*([0-9][0-9_]*(?:\.[0-9]+)?)\s*([kmbt]?)\s*", re.IGNORECASE)
_PERCENT = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*%\s*")


def parse_count(text: str) -> int:
    """Read a whole number with an optional suffix: `1_500`, `79M`, `4.3T`.

    Raises:
        ConfigError: if the text is not such a number, or not a whole one (`0.0005k`).
    """
    match = _COUNT.fullmatch(text)
    if match is None:
        raise ConfigError(
            f"{text!r} is not a whole number",
            where="",
            mend="write it out (28_000_000_000) or with a suffix k, M, B or T (28B)",
        )
    value = Fraction(match[1].replace("_", "")) * _SUFFIXES[match[2].lower()]
    if value.denominator != 1:
        raise ConfigError(
            f"{text!r} is not a whole number",
            where="",
            mend="give a number of tokens, steps or rows without a fractional part",
        )
    return int(value)


def parse_share(text: str) -> float:
    """Read a share: `80%` is 0.8. A bare number in text is refused, as its unit is unknown.

    Raises:
        ConfigError: if the text is not a percentage.
    """
    match = _PERCENT.fullmatch(text)
    if match is None:
        raise ConfigError(
            f"{text!r} is not a share",
            where="",
            mend="give a fraction (0.8) or a percentage with its sign (80%)",
        )
    return float(Fraction(match[1]) / 100)
