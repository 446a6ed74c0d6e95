"""Which image ratio is best, as findings: over all models of a study, and for each."""

import numpy as np
import pandas as pd

from analysis.figures.curve import SCORE
from analysis.finding import Finding, Verdict
from analysis.intervals import LEVEL, Estimate
from analysis.noise import NoiseFloor, noise_floor
from analysis.study import StudyResults, scores

PAPER = "10-20 % of tokens from image data is best at 1 B"
PAPER_LOW, PAPER_HIGH = 0.1, 0.2

_POINT_TOLERANCE = 1e-6
_REPLICATES = 2000
_UNITS = ("model", "seed")


def best_ratios(study: StudyResults, rng: np.random.Generator) -> tuple[Finding, ...]:
    """Find the image ratio with the highest mean vision score late in text pre-training.

    The interval is where the maximum falls in a bootstrap: models and seeds are drawn again, and
    each score moves by its standard error over questions and, where it is known, by the spread of
    a single model over seeds. It can only take measured ratios.
    """
    rows = scores(study.table.rows(study.arms_of("figure_5")), "vision", "average", SCORE)
    rows = rows.drop_duplicates(["run_id", "image_ratio"]).sort_values("params", kind="stable")
    models = [str(model) for model in rows["model"].unique()]
    noise = noise_floor(study, "vision", "average", SCORE)
    own = [
        _finding(study, rows[rows["model"] == model], noise, rng, model)
        for model in models
        if len(models) > 1
    ]
    return (_finding(study, rows, noise, rng), *own)


def _finding(
    study: StudyResults,
    rows: pd.DataFrame,
    noise: NoiseFloor | None,
    rng: np.random.Generator,
    model: str | None = None,
) -> Finding:
    estimate = _best_of(*_curves(rows, study.table.axes), noise, rng)
    statement = "Image ratio with the highest vision score, images added late"
    return Finding(
        name="best_ratio" if model is None else f"best_ratio_{model}",
        statement=statement if model is None else f"{statement}, {model}",
        unit="image_ratio",
        estimate=estimate,
        paper=PAPER,
        verdict=_verdict(estimate),
        reason=None if estimate else "no model was measured at every ratio, with its error",
        run_ids=tuple(rows["run_id"]) if estimate else (),
        noise=noise,
    )


def _curves(rows: pd.DataFrame, axes: tuple[str, ...]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return mean scores and their errors, (models and seeds) x ratios.

    Settings of one model and seed share a trunk: they are averaged first, each measured at every
    ratio, and keep the mean of their errors.
    """
    others = [name for name in axes if name in rows and name not in ("image_ratio", *_UNITS)]
    keys = [*_UNITS, *others]
    if rows.empty:
        return pd.DataFrame(), pd.DataFrame()
    named = {name: rows[name].astype("str").fillna("none") for name in keys}
    filled = rows.assign(**named)  # a key that is absent would drop its row
    parts = [
        filled.pivot_table(index=keys, columns="image_ratio", values=name).dropna()
        for name in ("value", "stderr")
    ]
    if any(part.empty for part in parts):
        return pd.DataFrame(), pd.DataFrame()
    values, errors = (part.groupby(list(_UNITS)).mean() for part in parts)
    shared = values.index.intersection(errors.index)
    return values.loc[shared], errors.loc[shared]


def _best_of(
    values: pd.DataFrame,
    errors: pd.DataFrame,
    noise: NoiseFloor | None,
    rng: np.random.Generator,
) -> Estimate | None:
    if values.empty or values.shape[1] < 2:
        return None
    ratios = values.columns.to_numpy(dtype=np.float64)
    measured = values.to_numpy(dtype=np.float64)  # (units, ratios)
    seeds = 0.0 if noise is None else noise.deviation
    spread = np.hypot(errors.to_numpy(dtype=np.float64), seeds)
    n = len(measured)
    drawn = rng.integers(n, size=(_REPLICATES, n))
    moved = measured[drawn] + spread[drawn] * rng.standard_normal((_REPLICATES, n, len(ratios)))
    best = ratios[moved.mean(axis=1).argmax(axis=1)]  # (replicates,)
    tail = (1 - LEVEL) / 2
    also = "" if noise is None else f" and over seeds of {', '.join(noise.arms)}"
    return Estimate(
        value=float(ratios[measured.mean(axis=0).argmax()]),
        low=float(np.quantile(best, tail, method="inverted_cdf")),
        high=float(np.quantile(best, 1 - tail, method="inverted_cdf")),
        n=n,
        method=f"percentile bootstrap over {n} models and seeds, with errors over questions{also}, "
        f"of {len(ratios)} measured ratios",
    )


def _verdict(estimate: Estimate | None) -> Verdict:
    if estimate is None or estimate.low is None or estimate.high is None:
        return Verdict.NOT_MEASURED
    low, high = PAPER_LOW - _POINT_TOLERANCE, PAPER_HIGH + _POINT_TOLERANCE
    if estimate.low >= low and estimate.high <= high:
        return Verdict.AGREES
    apart = estimate.high < low or estimate.low > high
    return Verdict.DISAGREES if apart else Verdict.WITHIN_NOISE
