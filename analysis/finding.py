"""What a finding is, and when it agrees with the paper. Pure."""

from dataclasses import dataclass
from enum import StrEnum

from analysis.claims import Direction
from analysis.intervals import Estimate
from analysis.noise import NoiseFloor

HOLDS_WITHIN = 0.02
"""A score "holds" if the whole interval of its change lies within 2 points, the size of the timing
effect that the paper reports."""


class Verdict(StrEnum):
    """How a finding compares with the paper."""

    AGREES = "agrees"
    DISAGREES = "disagrees"
    WITHIN_NOISE = "within noise"
    NOT_MEASURED = "not measured"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One statement about the study."""

    name: str
    """Unique."""
    statement: str
    """What is estimated, in words."""
    unit: str
    """Of the estimate: `score`, `share` or `image_ratio`; all are fractions."""
    estimate: Estimate | None
    """The number with its interval; None if it was not measured."""
    paper: str
    """What the paper says."""
    verdict: Verdict
    """How the two compare."""
    reason: str | None
    """Why it was not measured; None if it was."""
    run_ids: tuple[str, ...]
    """Runs that it rests on."""
    noise: NoiseFloor | None = None
    """How far its scores move with the seed alone; None if the study has no arm of seeds."""


def verdict_of(
    estimate: Estimate | None, direction: Direction, floor: float | None = None
) -> Verdict:
    """Compare a difference's interval with the paper's direction.

    Args:
        estimate: the difference.
        direction: what the paper says of it.
        floor: what seeds alone make of a difference that is really 0. A smaller one is noise,
            even where few models happen to agree so well that their interval leaves 0 out.
    """
    if estimate is None:
        return Verdict.NOT_MEASURED
    low, high = estimate.low, estimate.high
    if low is None or high is None:
        return Verdict.WITHIN_NOISE
    is_noise = floor is not None and abs(estimate.value) <= floor
    if direction is Direction.HOLDS:
        if low >= -HOLDS_WITHIN and high <= HOLDS_WITHIN:
            return Verdict.AGREES
        is_apart = (low > 0 or high < 0) and not is_noise
        return Verdict.DISAGREES if is_apart else Verdict.WITHIN_NOISE
    if direction is Direction.BELOW:
        low, high = -high, -low
    if is_noise or low <= 0 <= high:
        return Verdict.WITHIN_NOISE
    return Verdict.AGREES if low > 0 else Verdict.DISAGREES
