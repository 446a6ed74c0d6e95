"""Numbers as people write them: `28B` tokens, `20x` parameters, `80%` of a budget. Pure."""

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Self

from orchestrator.errors import ConfigError

_SUFFIXES = {"": 1, "k": 10**3, "m": 10**6, "b": 10**9, "t": 10**12}
_COUNT = re.compile(r"\s*([0-9][0-9_]*(?:\.[0-9]+)?)\s*([kmbt]?)\s*", re.IGNORECASE)
_MULTIPLE = re.compile(r"\s*([0-9][0-9_]*(?:\.[0-9]+)?)\s*x\s*", re.IGNORECASE)
_FLOPS = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?(?:e\+?[0-9]+)?)\s*FLOP\s*", re.IGNORECASE)
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


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenBudget:
    """A number of training tokens, as it is declared and then as it is trained.

    A count written out (`204_800`) must be whole steps. A round figure (`28B`), a multiple of the
    parameters (`20x`) and a compute budget (`1e18 FLOP`) mean the nearest whole number of steps.
    """

    tokens: int | None
    """Tokens; None for a multiple of the parameters and for a compute budget. At least 1."""
    per_param: float | None = None
    """Tokens per parameter, embeddings and output layer counted, as in Gadre et al. 2024."""
    flops: float | None = None
    """Training compute in FLOP, as the plan counts it: with attention and output layer."""
    is_round: bool = False
    """Whether the nearest whole number of steps is meant."""

    @classmethod
    def from_plain(cls, value: object) -> Self:
        """Read `204_800`, `28B`, `20x` or `1e18 FLOP`.

        Raises:
            ConfigError: if the value is none of these, or not above zero.
        """
        multiple = _MULTIPLE.fullmatch(value) if isinstance(value, str) else None
        compute = _FLOPS.fullmatch(value) if isinstance(value, str) else None
        if compute is not None:
            budget = cls(tokens=None, flops=float(compute[1]), is_round=True)
        elif multiple is not None:
            budget = cls(tokens=None, per_param=float(multiple[1].replace("_", "")), is_round=True)
        elif isinstance(value, str):
            budget = cls(tokens=parse_count(value), is_round=not value.strip()[-1].isdigit())
        elif isinstance(value, int) and not isinstance(value, bool):
            budget = cls(tokens=value)
        else:
            raise _no_budget(value)
        if not (budget.tokens or budget.per_param or budget.flops or 0) > 0:
            raise _no_budget(value)
        return budget

    @property
    def count(self) -> int:
        """Tokens of a resolved budget."""
        assert self.tokens is not None, "the budget was not resolved"
        return self.tokens

    def resolved(self, *, params: int, flops_per_token: float, batch_tokens: int) -> Self:
        """Return the budget in tokens, a whole number of steps if it was a round figure.

        Args:
            params: the model's parameters, embeddings and output layer counted.
            flops_per_token: training compute per token in FLOP.
            batch_tokens: tokens per optimizer step.
        """
        if not self.is_round:
            return self
        if self.flops is not None:
            tokens = Fraction(self.flops) / Fraction(flops_per_token)
        elif self.per_param is not None:
            tokens = Fraction(self.per_param) * params
        else:
            tokens = Fraction(self.count)
        return type(self)(tokens=round(tokens / batch_tokens) * batch_tokens)


def _no_budget(value: object) -> ConfigError:
    return ConfigError(
        f"{value!r} is not a number of tokens",
        where="",
        mend="give 204_800, a round figure (28B), tokens per parameter (20x) or 1e18 FLOP",
    )
