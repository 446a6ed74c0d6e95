"""Differences between models that are equal in everything else, as findings.

Nothing is chosen to make an effect appear: a contrast pairs every model that was measured on both
sides, and what could not be paired is said.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from analysis.claims import Contrast, Rows
from analysis.finding import Finding, verdict_of
from analysis.intervals import Estimate, mean_over
from analysis.noise import NoiseFloor, noise_floor, of_single_run
from analysis.study import StudyResults, scores


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
    noise = noise_floor(study, asked.suites[0], "average", asked.metric)
    estimate = _mean_of_pairs(pairs, noise)
    floor = _floor(estimate, noise)
    named = asked.name if model is None else f"{asked.name}_{model}"
    return Finding(
        name=named,
        statement=asked.statement if model is None else f"{asked.statement}, {model}",
        unit="score",
        estimate=_named(estimate, noise, floor),
        paper=asked.paper,
        verdict=verdict_of(estimate, asked.direction, floor),
        reason=None if estimate else _why_not(study, asked),
        run_ids=tuple(dict.fromkeys(run_id for pair in pairs for run_id in pair.run_ids)),
        noise=noise,
    )


def _floor(estimate: Estimate | None, noise: NoiseFloor | None) -> float | None:
    """Return what seeds alone make of a mean of differences that are really 0."""
    if estimate is None or noise is None:
        return None
    return noise.of_difference / math.sqrt(estimate.n)


def _named(
    estimate: Estimate | None, noise: NoiseFloor | None, floor: float | None
) -> Estimate | None:
    """Say beside an interval what the seeds' noise floor is."""
    if estimate is None or noise is None or floor is None:
        return estimate
    words = f"noise floor from seeds of {', '.join(noise.arms)}: {100 * floor:.2f} points"
    return replace(estimate, method=f"{estimate.method}; {words}")


def _pairs(rows: Rows, keys: list[str], asked: Contrast) -> list[Pair]:
    """Return every pair of sides that are equal in `keys`."""
    pairs: list[Pair] = []
    if rows.empty:
        return pairs
    unique = rows.drop_duplicates(["run_id", *asked.axes, *keys])  # a run may serve two arms
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


def _mean_of_pairs(pairs: Sequence[Pair], noise: NoiseFloor | None) -> Estimate | None:
    """Average pairs within each model and seed, then over these.

    Pairs of one model and seed share a trunk, so that their number says nothing of the noise
    between trainings; a single unit has the largest standard error of its pairs over questions,
    and the spread of two models over seeds if it is known.
    """
    units: dict[str, list[Pair]] = {}
    for pair in pairs:
        units.setdefault(pair.unit, []).append(pair)
    if not units:
        return None
    values = [float(np.mean([pair.value for pair in own])) for own in units.values()]
    known = [[pair.error for pair in own if pair.error is not None] for own in units.values()]
    errors = [max(own) if own else None for own in known]
    if len(values) == 1 and noise is not None:
        return of_single_run(values[0], errors[0], noise, models=2)
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
