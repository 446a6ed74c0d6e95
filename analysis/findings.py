"""What a study found, computed: each statement with its interval, the paper's direction, a verdict.

The paper is Keh et al. 2025 (arXiv:2503.07603). Nothing is chosen to make an effect appear: a
contrast pairs every model that was measured on both sides, and what could not be paired is said.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import pandas as pd

from analysis.claims import CONTRASTS, CONTROLS, Contrast, Direction, Rows
from analysis.figures.curve import SCORE
from analysis.fit.losses import trunk_losses
from analysis.intervals import LEVEL, Estimate, mean_over, share_of
from analysis.study import StudyResults, scores

HOLDS_WITHIN = 0.02
"""A score "holds" if the whole interval of its change lies within 2 points, the size of the timing
effect that the paper reports."""

_POINT_TOLERANCE = 1e-6
_REPLICATES = 2000


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two sides that differ in nothing but the contrast."""

    unit: str
    """Model and seed: pairs of one unit share a trunk."""
    value: float
    """Left minus right."""
    error: float | None
    """Its standard error over questions."""
    run_ids: tuple[str, ...]
    """Runs behind both sides."""


def findings(study: StudyResults, rng: np.random.Generator) -> tuple[Finding, ...]:
    """Compute every finding that the paper or its reviewers ask for.

    Args:
        study: what was planned and measured.
        rng: resamples pairs where no closed form gives an interval.
    """
    return (
        *(contrast(study, item) for item in CONTRASTS),
        best_ratio(study, rng),
        *_sight(study),
        *_losses(study),
    )


def contrast(study: StudyResults, asked: Contrast, model: str | None = None) -> Finding:
    """Compute one contrast, over all models or over one."""
    rows = study.table.rows(study.arms_of(asked.figure))
    rows = rows[rows["subject_stage"] != "text_pretrain"]  # a trunk is no side of a contrast
    if model is not None:
        rows = rows[rows["model"] == model]
    parts = [scores(rows, suite, "average", asked.metric) for suite in asked.suites]
    chosen = pd.concat(parts, ignore_index=True)
    varying = [name for name in ("model", *study.table.axes) if name in chosen.columns]
    keys = [name for name in dict.fromkeys(varying) if name not in asked.axes]
    pairs = _pairs(chosen, keys, asked)
    estimate = _mean_of_pairs(pairs)
    named = asked.name if model is None else f"{asked.name}_{model}"
    return Finding(
        name=named,
        statement=asked.statement if model is None else f"{asked.statement}, {model}",
        unit="score",
        estimate=estimate,
        paper=asked.paper,
        verdict=verdict_of(estimate, asked.direction),
        reason=None if estimate else _why_not(study, asked),
        run_ids=tuple(dict.fromkeys(run_id for pair in pairs for run_id in pair.run_ids)),
    )


def verdict_of(estimate: Estimate | None, direction: Direction) -> Verdict:
    """Compare a difference's interval with the paper's direction."""
    if estimate is None:
        return Verdict.NOT_MEASURED
    low, high = estimate.low, estimate.high
    if low is None or high is None:
        return Verdict.WITHIN_NOISE
    if direction is Direction.HOLDS:
        if low >= -HOLDS_WITHIN and high <= HOLDS_WITHIN:
            return Verdict.AGREES
        return Verdict.DISAGREES if low > 0 or high < 0 else Verdict.WITHIN_NOISE
    if direction is Direction.BELOW:
        low, high = -high, -low
    if low > 0:
        return Verdict.AGREES
    return Verdict.DISAGREES if high < 0 else Verdict.WITHIN_NOISE


def best_ratio(study: StudyResults, rng: np.random.Generator) -> Finding:
    """Find the image ratio with the highest mean vision score late in text pre-training.

    The interval is a percentile bootstrap over models and seeds: where the maximum of the
    resampled mean curve falls. It can only take measured ratios.
    """
    paper = "10-20 % of tokens from image data is best at 1 B"
    statement = "Image ratio with the highest vision score, images added late"
    rows = scores(study.table.rows(study.arms_of("figure_5")), "vision", "average", SCORE)
    rows = rows.drop_duplicates(["run_id", "image_ratio"])
    others = [name for name in study.table.axes if name in rows and name != "image_ratio"]
    keys = list(dict.fromkeys(["model", *others]))
    curves = pd.DataFrame()
    if not rows.empty:
        named = {name: rows[name].astype("str").fillna("none") for name in keys}
        filled = rows.assign(**named)  # a key that is absent would drop its row
        curves = filled.pivot_table(index=keys, columns="image_ratio", values="value").dropna()
    estimate = _best_of(curves, rng)
    return Finding(
        name="best_ratio",
        statement=statement,
        unit="image_ratio",
        estimate=estimate,
        paper=paper,
        verdict=_ratio_verdict(estimate),
        reason=None if estimate else "fewer than two models were measured at every ratio",
        run_ids=tuple(rows["run_id"]) if estimate else (),
    )


def _best_of(curves: pd.DataFrame, rng: np.random.Generator) -> Estimate | None:
    if len(curves) < 2 or curves.shape[1] < 2:
        return None
    ratios = curves.columns.to_numpy(dtype=np.float64)
    values = curves.to_numpy(dtype=np.float64)  # (models, ratios)
    drawn = rng.integers(len(values), size=(_REPLICATES, len(values)))
    best = ratios[values[drawn].mean(axis=1).argmax(axis=1)]  # (replicates,)
    tail = (1 - LEVEL) / 2
    return Estimate(
        value=float(ratios[values.mean(axis=0).argmax()]),
        low=float(np.quantile(best, tail, method="inverted_cdf")),
        high=float(np.quantile(best, 1 - tail, method="inverted_cdf")),
        n=len(values),
        method=f"percentile bootstrap over {len(values)} models and seeds, "
        f"of {len(ratios)} measured ratios",
    )


def _ratio_verdict(estimate: Estimate | None) -> Verdict:
    if estimate is None or estimate.low is None or estimate.high is None:
        return Verdict.NOT_MEASURED
    if estimate.low >= 0.1 - _POINT_TOLERANCE and estimate.high <= 0.2 + _POINT_TOLERANCE:
        return Verdict.AGREES
    apart = estimate.high < 0.1 - _POINT_TOLERANCE or estimate.low > 0.2 + _POINT_TOLERANCE
    return Verdict.DISAGREES if apart else Verdict.WITHIN_NOISE


def _sight(study: StudyResults) -> list[Finding]:
    """Compare scores with and without the right image, over all models and for each."""
    rows = study.table.rows(study.arms_of("controls"))
    measured = scores(rows, "vision", "average", "score").sort_values("params")
    models = [str(model) for model in measured["model"].unique()]
    return [contrast(study, asked, model) for asked in CONTROLS for model in (None, *models)]


def _losses(study: StudyResults) -> list[Finding]:
    """Count in how many pairs of trunks the loss falls with params, and with tokens."""
    losses = trunk_losses(study)
    by_params = _falls(losses, ["tokens", "text_tokens", "seed"], "params")
    by_tokens = [
        *_falls(losses, ["trunk"], "tokens"),
        *_falls(losses, ["model", "seed", "cooldown_point"], "tokens"),
    ]
    words = "share of neighbouring pairs in which the text loss falls"
    return [
        _loss_finding("loss_falls_with_params", f"With params: {words}", by_params, losses),
        _loss_finding("loss_falls_with_tokens", f"With tokens: {words}", by_tokens, losses),
    ]


def _falls(losses: pd.DataFrame, keys: list[str], scale: str) -> list[bool]:
    """Return for each pair of neighbours in `scale`, all else equal, whether the loss falls."""
    falls: list[bool] = []
    for _, group in losses.groupby(keys, dropna=False):
        steps = group.sort_values(scale)["value"].diff().dropna()
        falls += [bool(step < 0) for step in steps]
    return falls


def _loss_finding(
    name: str, statement: str, falls: Sequence[bool], losses: pd.DataFrame
) -> Finding:
    estimate = share_of(sum(falls), len(falls), "pairs") if falls else None
    verdict = Verdict.NOT_MEASURED
    if estimate and estimate.low is not None and estimate.high is not None:
        verdict = Verdict.AGREES if estimate.low > 0.5 else Verdict.WITHIN_NOISE
        verdict = Verdict.DISAGREES if estimate.high < 0.5 else verdict
    return Finding(
        name=name,
        statement=statement,
        unit="share",
        estimate=estimate,
        paper="not a claim of the paper; what scaling laws expect: more than half",
        verdict=verdict,
        reason=None if estimate else "no two trunk losses differ in this alone",
        run_ids=tuple(losses["run_id"]) if estimate else (),
    )


def _pairs(rows: Rows, keys: list[str], asked: Contrast) -> list[Pair]:
    """Return every pair of sides that are equal in `keys`."""
    pairs: list[Pair] = []
    if rows.empty:
        return pairs
    unique = rows.drop_duplicates(["run_id", *asked.axes])
    for _, group in unique.groupby(keys, dropna=False):
        left, right = group[asked.left(group)], group[asked.right(group)]
        if left.empty or right.empty:
            continue
        first = group.iloc[0]
        pairs.append(
            Pair(
                unit=f"{first['model']} {first['seed']}",
                value=float(left["value"].mean() - right["value"].mean()),
                error=_difference_error(left, right),
                run_ids=(*left["run_id"], *right["run_id"]),
            )
        )
    return pairs


def _mean_of_pairs(pairs: Sequence[Pair]) -> Estimate | None:
    """Average pairs within each model and seed, then over these.

    Pairs of one model and seed share a trunk, so that their number says nothing of the noise
    between trainings; a single unit has the largest standard error of its pairs over questions.
    """
    units: dict[str, list[Pair]] = {}
    for pair in pairs:
        units.setdefault(pair.unit, []).append(pair)
    if not units:
        return None
    values = [float(np.mean([pair.value for pair in own])) for own in units.values()]
    known = [[pair.error for pair in own if pair.error is not None] for own in units.values()]
    errors = [max(own) if own else None for own in known]
    return mean_over(values, errors, f"models and seeds ({len(pairs)} pairs)")


def _difference_error(left: Rows, right: Rows) -> float | None:
    """Standard error of a difference of means, as of independent questions: an upper bound."""
    parts = [side["stderr"] / len(side) for side in (left, right)]
    if any(part.isna().any() for part in parts):
        return None
    return float(np.sqrt(sum((part**2).sum() for part in parts)))


def _why_not(study: StudyResults, asked: Contrast) -> str:
    arms = study.arms_of(asked.figure)
    if not arms:
        return f"no arm of the study feeds {asked.figure}"
    missing = len(study.missing(arms, asked.suites))
    return (
        f"no pair of models has both sides measured in {', '.join(arms)} "
        f"({missing} evaluations are missing)"
    )
