"""How far scores move with the seed alone: the noise floor of a study, from its arm of seeds.

The arms that feed table 7 train the same settings under several seeds. What is left between these
is what no difference between two single models can be smaller than and still mean something.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

import pandas as pd
from scipy import special

from analysis.intervals import LEVEL, Estimate
from analysis.study import StudyResults, scores

SEEDS = "table_7"
"""Table whose arms give the noise floor."""

_TUNED_FROM_ONE_BRANCH = ("epochs", "instructions", "soup")
"""Axes of fine-tuning: settings that differ in these alone share a branch and much of its noise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NoiseFloor:
    """Spread of one metric between seeds."""

    deviation: float
    """Standard deviation between models that differ in their seed alone, pooled over settings."""
    low: float
    """Lower end of its interval."""
    high: float
    """Upper end."""
    freedom: int
    """Degrees of freedom: settings that differ in fine-tuning alone count as one."""
    settings: int
    """Settings pooled."""
    arms: tuple[str, ...]
    """Arms it comes from."""
    run_ids: tuple[str, ...]
    """Evaluations it comes from."""

    @property
    def of_difference(self) -> float:
        """Half-width of the interval of a difference of two single models that is really 0."""
        factor = float(special.stdtrit(self.freedom, 0.5 + LEVEL / 2))
        return factor * self.deviation * math.sqrt(2)

    @property
    def words(self) -> str:
        """Say how large it is and where it comes from."""
        return (
            f"noise floor: seeds differ by {100 * self.deviation:.2f} points "
            f"[{100 * self.low:.2f}, {100 * self.high:.2f}] (standard deviation over "
            f"{self.settings} settings of {', '.join(self.arms)}, {self.freedom} degrees of "
            f"freedom), so that two single models differ by chance by up to "
            f"{100 * self.of_difference:.2f}"
        )


@lru_cache(maxsize=256)
def noise_floor(study: StudyResults, suite: str, benchmark: str, metric: str) -> NoiseFloor | None:
    """Return the noise floor of a metric; None if no setting was measured under two seeds.

    The interval of the deviation is that of a normal sample's (chi-square). Remembered for each
    study that was opened, since every table asks for it.
    """
    arms = study.arms_of(SEEDS)
    rows = scores(study.table.rows(arms), suite, benchmark, metric)
    rows = rows[rows["subject_stage"] != "text_pretrain"].drop_duplicates("run_id")
    axes = [name for name in study.table.axes if name in rows and name not in ("seed", "model")]
    groups = [
        group
        for _, group in rows.groupby(["model", *axes], dropna=False)
        if group["seed"].nunique() > 1
    ]
    if not groups:
        return None
    used = pd.concat(groups)
    squares = sum(float(((group["value"] - group["value"].mean()) ** 2).sum()) for group in groups)
    variance = squares / (len(used) - len(groups))
    freedom = _freedom(used, axes)
    tail = (1 - LEVEL) / 2
    low, high = (
        math.sqrt(freedom / float(special.chdtri(freedom, 1 - p))) for p in (1 - tail, tail)
    )
    deviation = math.sqrt(variance)
    return NoiseFloor(
        deviation=deviation,
        low=deviation * low,
        high=deviation * high,
        freedom=freedom,
        settings=len(groups),
        arms=arms,
        run_ids=tuple(used["run_id"]),
    )


def of_single_run(
    value: float, error: float | None, noise: NoiseFloor, *, models: int = 1
) -> Estimate:
    """Return the interval of a value from one seed: over questions, and over seeds.

    The degrees of freedom are Welch and Satterthwaite's. The choice of questions is in both parts
    to some degree, so that the interval is rather too wide.

    Args:
        value: a score, or a difference of scores.
        error: its standard error over questions; None if it has none.
        noise: what seeds do to one score.
        models: scores whose noise is in the value: 2 for a difference.
    """
    known = 0.0 if error is None or math.isnan(error) else error**2
    seeds = models * noise.deviation**2
    if known + seeds == 0:
        return Estimate(value=value, low=value, high=value, n=1, method="no spread at all")
    freedom = (known + seeds) ** 2 / (seeds**2 / noise.freedom) if seeds else math.inf
    half = float(special.stdtrit(freedom, 0.5 + LEVEL / 2)) * math.sqrt(known + seeds)
    return Estimate(
        value=value,
        low=value - half,
        high=value + half,
        n=1,
        method="standard error over questions and spread over seeds, one seed",
    )


def _freedom(rows: pd.DataFrame, axes: list[str]) -> int:
    """Count branches beyond the first of each setting of pre-training."""
    before = [name for name in axes if name not in _TUNED_FROM_ONE_BRANCH]
    groups = rows.groupby(["model", *before], dropna=False)["seed"].nunique()
    return int((groups - 1).sum())
