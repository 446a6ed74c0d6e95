"""Numbers and findings in words, as the report shows them. Pure."""

from dataclasses import dataclass

from analysis.findings import Finding
from analysis.intervals import Estimate

ABSENT = "-"
"""What stands where there is no number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingWords:
    """A finding as a table row."""

    statement: str
    estimate: str
    """With its unit."""
    interval: str
    method: str
    """What the interval is over, or why there is no number."""
    paper: str
    verdict: str
    runs: int
    """How many runs it rests on."""


def finding_words(finding: Finding) -> FindingWords:
    """Return a finding in words."""
    estimate = finding.estimate
    return FindingWords(
        statement=finding.statement,
        estimate=ABSENT if estimate is None else _value(estimate.value, finding.unit),
        interval=ABSENT if estimate is None else _interval(estimate, finding.unit),
        method=finding.reason or (estimate.method if estimate else ""),
        paper=finding.paper,
        verdict=finding.verdict.value,
        runs=len(finding.run_ids),
    )


def _value(value: float, unit: str) -> str:
    if unit == "score":
        return f"{100 * value:+.1f} points"
    return f"{100 * value:.0f} %"


def _interval(estimate: Estimate, unit: str) -> str:
    if estimate.low is None or estimate.high is None:
        return "none"
    if unit == "score":
        return f"[{100 * estimate.low:+.1f}, {100 * estimate.high:+.1f}]"
    return f"[{100 * estimate.low:.0f} %, {100 * estimate.high:.0f} %]"


def quantity(value: float | None) -> str:
    """Write a number with four digits, large ones with a prefix; a dash where there is none."""
    if value is None:
        return ABSENT
    for size, prefix in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            scaled = value / size
            return f"{value:.3g}" if scaled >= 1e6 else f"{scaled:,.4g} {prefix}"
    return f"{value:.4g}"
