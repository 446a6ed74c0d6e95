"""Fit a study's text losses and keep what came out, refusals too, in `fits/<name>.json`."""

from dataclasses import asdict, dataclass, field, replace
from typing import cast

import numpy as np
import pandas as pd

from analysis.fits.backtest import grow, hold_out_each, hold_out_largest
from analysis.fits.bootstrap import Bootstrap
from analysis.fits.clusters import check_clusters, cluster_keys
from analysis.fits.codes import code_flags
from analysis.fits.engine import fit
from analysis.fits.losses import column, on_frontier, points_of, trunk_losses
from analysis.fits.points import Points
from analysis.fits.record import Fit, refused
from analysis.intervals import LEVEL
from analysis.laws.chinchilla import (
    CHINCHILLA,
    best_allocation,
    has_best_allocation,
    optimal_loss,
    optimal_params,
    optimal_tokens,
)
from analysis.laws.law import Array, Law
from analysis.laws.power_law import power_law
from analysis.study import StudyResults, open_study
from orchestrator.errors import FitError
from orchestrator.spec.codec import Plain
from orchestrator.store.files import write_json
from orchestrator.store.layout import StudyFolder

LOSS_OF_FLOPS = "loss_of_flops"
LOSS_OF_PARAMS_AND_TOKENS = "loss_of_params_and_tokens"

FEWEST_SIZES = 3
"""Model sizes that L(N, D) needs: A, alpha and E stay undetermined with two."""

INTERVALS = Bootstrap(replicates=1000, level=LEVEL)
"""How the intervals of a study's fits are made."""

_CURVE_POINTS = 60
_HELD_FIXED = " The choice of points is held fixed in the resamples."


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One law to fit to some of a study's losses."""

    name: str
    """Name of its file."""
    law: Law
    """What to fit."""
    selection: str
    """Which points are taken, in words."""
    kept: frozenset[str]
    """Their run_ids."""
    left_out: str
    """Why the others are not taken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyFit:
    """One fit of a study, or why there is none."""

    task: Task
    """What was asked for."""
    fit: Fit | None
    """What came out; None if it was refused."""
    refusal: FitError | None = None
    """Why it was refused; None if it was fitted."""
    extra: dict[str, Plain] = field(default_factory=dict[str, Plain])
    """Back-test, curve, allocation and code version."""

    def plain(self) -> dict[str, Plain]:
        """Return the record as JSON values."""
        head: dict[str, Plain] = {
            "name": self.task.name,
            "status": "refused" if self.fit is None else "fitted",
            "selection": self.task.selection,
            **self.extra,
        }
        if self.fit is not None:
            return {**head, **self.fit.plain()}
        assert self.refusal is not None, "a fit that was not made was refused"
        law = self.task.law
        return {
            **head,
            "law": {"name": law.name, "equation": law.equation, "source": law.source},
            "refusal": refused(self.refusal),
        }


def fit_study(
    folder: StudyFolder, rng: np.random.Generator, *, cluster: str | None = None
) -> tuple[StudyFit, ...]:
    """Fit every law that a study's trunks allow, and write one file for each.

    Args:
        folder: the study's results.
        rng: makes the bootstrap's resamples.
        cluster: column of the results, such as `params` or `seed`, whose equal values share their
            noise and are resampled together. None for trunks where there are enough of them.

    Raises:
        FitError: if the results have no such column, or it is empty in some row.
        RecordError: if the plan or the results table is missing or damaged.
    """
    study = open_study(folder)
    losses = trunk_losses(study)
    if cluster is not None:
        cluster_keys(losses, cluster)
    fits = tuple(_fit(study, losses, task, rng, cluster) for task in _tasks(losses))
    for item in fits:
        write_json(folder.fits / f"{item.task.name}.json", item.plain())
    return fits


def _tasks(losses: pd.DataFrame) -> tuple[Task, ...]:
    all_ids = [str(run_id) for run_id in losses["run_id"]]
    frontier = on_frontier(losses)
    schedule = _schedule_note(losses)
    return (
        Task(
            name=LOSS_OF_FLOPS,
            law=power_law("flops"),
            selection="The compute-efficient frontier of the trunks' held-out text losses: cells "
            "(model and tokens, mean over seeds) whose loss no other cell reaches with as little "
            f"compute or less; every seed of such a cell is a point.{_HELD_FIXED}{schedule}",
            kept=frozenset(rid for rid, is_on in zip(all_ids, frontier, strict=True) if is_on),
            left_out="not on the compute-efficient frontier",
        ),
        Task(
            name=LOSS_OF_PARAMS_AND_TOKENS,
            law=CHINCHILLA,
            selection="All of the trunks' held-out text losses, with params without embeddings."
            + schedule,
            kept=frozenset(all_ids),
            left_out="",
        ),
    )


def _schedule_note(losses: pd.DataFrame) -> str:
    part_way = int((losses["cooldown_point"] < 1).sum())
    if not part_way:
        return ""
    return (
        f" {part_way} of {len(losses)} losses were measured part-way through a trunk, before its "
        "learning rate had decayed: they lie above what a run of that length would reach."
    )


def _fit(
    study: StudyResults,
    losses: pd.DataFrame,
    task: Task,
    rng: np.random.Generator,
    cluster: str | None,
) -> StudyFit:
    code: Plain = list(study.codes([str(rid) for rid in losses["run_id"]]))
    points = points_of(losses, task.law.inputs, cluster)
    chosen = points.subset(
        np.array([label in task.kept for label in points.labels], dtype=np.bool_), task.left_out
    )
    try:
        _check_sizes(task.law, chosen)
        if cluster is not None:
            check_clusters(chosen.clusters, cluster)
        fitted = fit(task.law, chosen, rng, intervals=INTERVALS)
        kept = losses[losses["run_id"].isin(list(task.kept))]
        fitted = replace(fitted, flags=(*fitted.flags, *code_flags(kept)))
    except FitError as error:
        return StudyFit(task=task, fit=None, refusal=error, extra={"code": code})
    extra: dict[str, Plain] = {"code": code, "backtest": _backtest(task.law, chosen)}
    extra["backtests"] = _backtests(task.law, chosen)
    if task.law is CHINCHILLA:
        largest = float(losses["flops"].max())
        if has_best_allocation(np.array([item.value for item in fitted.parameters])):
            extra["allocation"] = dict(asdict(best_allocation(largest, fitted.values)))
            extra["allocation_intervals"] = _allocation_intervals(fitted, largest)
        extra["curve"] = _curves_of_sizes(fitted, losses)
    else:
        extra["curve"] = _curve(fitted, _grid(chosen.inputs[:, 0])[:, None])
    return StudyFit(task=task, fit=fitted, extra=extra)


def _check_sizes(law: Law, points: Points) -> None:
    if law is not CHINCHILLA:
        return
    sizes = len(np.unique(points.inputs[:, 0]))
    if sizes < FEWEST_SIZES:
        raise FitError(
            f"{sizes} model sizes, and L(N, D) needs {FEWEST_SIZES}",
            where=f"{len(points)} losses of trunks",
            mend="add models to the study, or read the power law of compute alone",
        )


def _backtest(law: Law, points: Points) -> dict[str, Plain]:
    """Predict the points of the largest first input; a refusal is kept as one."""
    try:
        result = hold_out_largest(law, points, points.inputs[:, 0], name=law.inputs[0])
    except FitError as error:
        return {"refusal": refused(error)}
    return dict(asdict(result))


def _backtests(law: Law, points: Points) -> list[Plain]:
    """Leave each value of the first input out, then all above each; refusals are kept as such."""
    scale, name = points.inputs[:, 0], law.inputs[0]
    found: list[Plain] = []
    for item in (
        *hold_out_each(law, points, scale, name=name),
        *grow(law, points, scale, name=name),
    ):
        plain: dict[str, Plain] = (
            {"refusal": refused(item)} if isinstance(item, FitError) else dict(asdict(item))
        )
        found.append(plain)
    return found


def _allocation_intervals(fitted: Fit, flops: float) -> list[Plain]:
    """Return N_opt, D_opt and L_opt of a budget in FLOP with their intervals."""
    found: list[Plain] = []
    for name, of in (
        ("N_opt", optimal_params),
        ("D_opt", optimal_tokens),
        ("L_opt", optimal_loss),
    ):
        value = fitted.quantity(name, lambda theta, of=of: of(flops, theta))
        found.append(dict(asdict(value)))
    return found


def _grid(values: Array) -> Array:
    return np.geomspace(float(values.min()), float(values.max()), _CURVE_POINTS)


def _curve(fitted: Fit, inputs: Array) -> list[Plain]:
    """Return the law with its band over inputs (n, inputs), within what was measured."""
    band = fitted.band(inputs)
    assert band is not None, "a study's fits have intervals"
    names = (*fitted.law.inputs, "loss", "low", "high")
    values = np.column_stack([inputs, fitted.predict(inputs), *band])
    rows = cast(list[list[float]], values.tolist())
    points: list[Plain] = []
    for row in rows:
        points.append(dict(zip(names, row, strict=True)))
    return points


def _curves_of_sizes(fitted: Fit, losses: pd.DataFrame) -> list[Plain]:
    curves: list[Plain] = []
    for size, own in losses.groupby("params"):
        tokens = _grid(column(own, "tokens")[:, 0])
        params = np.full_like(tokens, float(str(size)))
        curves += _curve(fitted, np.column_stack([params, tokens]))
    return curves
