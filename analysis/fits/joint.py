"""One law of a suite's score over all axes of a study, kept as `fits/<name>.json`.

It is fitted to models that began with images part-way through their text, and that have all else
in common. A study whose models do not tell the axes apart is refused, with what to add.
"""

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import cast

import numpy as np
import pandas as pd
from scipy import stats

from analysis.axis_words import axis_words
from analysis.figures.curve import SCORE
from analysis.fits.backtest import hold_out
from analysis.fits.bootstrap import Bootstrap, Resample
from analysis.fits.codes import code_flags
from analysis.fits.drawn_questions import Noise, draw_questions
from analysis.fits.engine import fit
from analysis.fits.estimator import Estimator, Loss, Residual
from analysis.fits.flags import FAILED_SHARE
from analysis.fits.losses import FEWEST_TRUNKS, column
from analysis.fits.points import Dropped, Points, clean_points
from analysis.fits.record import Fit, Flag, Warn, refused
from analysis.fits.study import StudyFit, Task
from analysis.intervals import LEVEL
from analysis.laws.joint import BEST, LETTERS, SHARES, joint_law
from analysis.laws.law import Array, Law
from analysis.study import StudyResults, open_study, scores
from orchestrator.errors import FitError
from orchestrator.spec.codec import Plain
from orchestrator.store.files import write_json
from orchestrator.store.layout import StudyFolder

NAMES = {
    "vision": "vision_error_of_all_axes",
    "text": "text_error_of_all_axes",
}
"""Name of the file of each suite's fit."""

FEWEST_VALUES = 3
"""Values of an axis that its part of the law needs: a power law with E, and a parabola, have three
unknowns each."""

NARROWEST = 0.02
"""Least spread of the axes' parts in any direction, over their largest, below which they cannot
be told apart: our threshold, that of `flags.NARROWEST_RAY`."""

LARGEST_CHANCE = 0.05
"""A part that noise explains more often than this is not seen: the usual threshold."""

ESTIMATOR = Estimator(loss=Loss.SQUARES, residual=Residual.RAW)
"""Scores scatter by their questions, about equally everywhere, and a diverged run has none."""

INTERVALS = Bootstrap(replicates=1000, level=LEVEL, resample=Resample.RESIDUALS)
"""Resampling whole points would leave out whole values of an axis."""

_RULE = "learning_rate_rule"
_VARIED = ("text_tokens", *SHARES)
_TYPICAL_EXPONENT = 0.3  # of the power laws by which designs are judged, before any fit


def fit_joint(
    folder: StudyFolder, rng: np.random.Generator, *, noise: Noise = Noise.RUNS
) -> tuple[StudyFit, ...]:
    """Fit the joint law to a study's vision scores and to its text scores; write a file for each.

    Args:
        folder: the study's results.
        rng: makes the bootstrap's resamples.
        noise: what the intervals hold.

    Raises:
        RecordError: if the plan or the results table is missing or damaged.
    """
    study = open_study(folder)
    fits = tuple(_fit(study, suite, rng, noise) for suite in NAMES)
    for item in fits:
        write_json(folder.fits / f"{item.task.name}.json", item.plain())
    return fits


def _fit(study: StudyResults, suite: str, rng: np.random.Generator, noise: Noise) -> StudyFit:
    rows = scores(study.table.results, suite, "average", SCORE).drop_duplicates("run_id")
    kept, dropped, words = _alike(rows, study.table.axes)
    law, no_tokens = _chosen_law(study, kept)
    points = _points(study, kept, law, dropped)
    task = Task(
        name=NAMES[suite],
        law=law,
        selection=f"Mean {suite} scores above chance of models that began with images part-way "
        f"through their text or at its end{words}",
        kept=frozenset(points.labels),
        left_out="",
    )
    try:
        check_carried(law, points)
        drawn = draw_questions(
            study, suite, points.labels, noise, rng, replicates=INTERVALS.replicates
        )
        shifts = None if drawn.shifts is None else -drawn.shifts  # of the error, 1 - score
        fitted = fit(law, points, rng, estimator=ESTIMATOR, intervals=INTERVALS, shifts=shifts)
    except FitError as error:
        return StudyFit(task=task, fit=None, refusal=error)
    assert fitted.interval is not None, "intervals were asked for"
    interval = replace(fitted.interval, method=fitted.interval.method + drawn.method)
    doubts = (*_doubts(fitted, points), *no_tokens, *code_flags(kept), *drawn.flags)
    backtests = [
        _held_out(law, points, place, value)
        for place in range(len(law.inputs))
        for value in np.unique(points.inputs[:, place])
    ]
    return StudyFit(
        task=task,
        fit=replace(fitted, interval=interval, flags=(*fitted.flags, *doubts)),
        extra={
            "code": list(study.codes(points.labels)),
            "backtest": _held_out(law, points, 0, float(points.inputs[:, 0].max())),
            "backtests": [*backtests],
            **({} if drawn.record is None else {"questions": drawn.record}),
        },
    )


def check_carried(law: Law, points: Points) -> None:
    """Check that points tell the parts of the joint law apart.

    Raises:
        FitError: if an axis has too few values, if what one axis does could be another's doing, or
            if what the sizes or the text budgets do could be noise, which has no exponent.
    """
    counts = {
        name: len(np.unique(values))
        for name, values in zip(law.inputs, points.inputs.T, strict=True)
    }
    few = {name: count for name, count in counts.items() if count < FEWEST_VALUES}
    place = f"{len(points)} models that began with images after text"
    if few:
        found = ", ".join(f"{name} has {count}" for name, count in few.items())
        raise FitError(
            f"too few values: {found}",
            place,
            f"add models, so that each of {', '.join(few)} has {FEWEST_VALUES} values or more",
        )
    mixed = confounded(law, points.inputs)
    if mixed:
        raise FitError(
            f"{' and '.join(mixed)} move together, so that their parts cannot be told apart",
            place,
            f"add models that differ in {mixed[0]} alone",
        )
    for name in law.inputs[: len(law.exponents)]:
        chance = chance_of_noise(law, points, name)
        if chance > LARGEST_CHANCE:
            raise FitError(
                f"what {name} does could be noise (p = {chance:.2g})",
                place,
                f"add models further apart in {name}, or seeds",
            )


def confounded(law: Law, inputs: Array) -> tuple[str, ...]:
    """Return the axes whose parts of the joint law are all but one part; none if all are apart.

    Args:
        law: a joint law.
        inputs: (n, inputs of the law).
    """
    parts, owners = _parts(law, inputs)
    spread = parts - parts.mean(axis=0)  # E is what all have in common
    # The two halves of one parabola resemble each other: compare axes by their orthonormal parts.
    bases = [np.linalg.qr(spread[:, [owner == name for owner in owners]])[0] for name in law.inputs]
    labels = [name for name, basis in zip(law.inputs, bases, strict=True) for _ in basis.T]
    _, sizes, directions = np.linalg.svd(np.concatenate(bases, axis=1), full_matrices=False)
    if sizes[-1] >= NARROWEST * sizes[0]:
        return ()
    weakest = directions[-1]
    shares = {
        name: sum(weakest[i] ** 2 for i, label in enumerate(labels) if label == name)
        for name in law.inputs
    }
    return tuple(sorted((n for n in shares if shares[n] > NARROWEST), key=lambda n: -shares[n]))


def chance_of_noise(law: Law, points: Points, name: str) -> float:
    """Return how often noise alone would make an axis explain as much as it does.

    It is the p-value of the F test between least squares with the axis' part and without it.

    Args:
        law: a joint law.
        points: to which it is to be fitted.
        name: of the axis.
    """
    parts, owners = _parts(law, points.inputs)
    parts = np.column_stack([np.ones(len(points)), parts])
    is_others = np.array([True, *(owner != name for owner in owners)])
    spare = len(points) - parts.shape[1]
    if spare < 1:
        return 0.0  # too few points to say; the engine counts them
    own = int((~is_others).sum())
    with_it = max(_squares(parts, points.observed), 1e-30)
    without = _squares(parts[:, is_others], points.observed)
    ratio = (without - with_it) / own / (with_it / spare)
    return float(cast(np.float64, stats.f.sf(ratio, own, spare)))


def _squares(parts: Array, observed: Array) -> float:
    """Return the sum of squares that least squares leaves: (n, P), (n,)."""
    return float(((observed - parts @ (np.linalg.pinv(parts) @ observed)) ** 2).sum())


def _parts(law: Law, inputs: Array) -> tuple[Array, tuple[str, ...]]:
    """Return the law's terms but E at typical exponents, (n, P - 1), and the axis of each."""
    grown = np.exp(-_TYPICAL_EXPONENT * law.features(inputs).sum(axis=2))
    owners = (*law.inputs[: len(law.exponents)], *(name for name in SHARES for _ in range(2)))
    return (law.weights(inputs) * grown)[:, 1:], owners


def _chosen_law(study: StudyResults, rows: pd.DataFrame) -> tuple[Law, list[Flag]]:
    """Return the law with text budgets or without, and why without.

    Without them, what they would do is in E and, as far as they go with the sizes, in A.
    """
    law, bare = joint_law(has_tokens=True), joint_law(has_tokens=False)
    budgets = rows["text_tokens"].unique()
    if len(budgets) == 1:
        detail = f"text_tokens is {budgets[0]:g} at every model, so that what it does is in E"
        return bare, [Flag(kind=Warn.ONE_SIZE, detail=detail)]
    points = _points(study, rows, law)
    if len(budgets) < FEWEST_VALUES or confounded(law, points.inputs):
        return law, []
    chance = chance_of_noise(law, points, "text_tokens")
    if chance <= LARGEST_CHANCE:
        return law, []
    detail = f"text_tokens is left out: what it does could be noise (p = {chance:.2g})"
    return bare, [Flag(kind=Warn.AT_BOUND, detail=detail)]


def _alike(
    rows: pd.DataFrame, axes: Sequence[str]
) -> tuple[pd.DataFrame, tuple[Dropped, ...], str]:
    """Return the models to fit, those left out, and in words what the former have in common.

    Of all settings of the other axes, the one is taken that most models share; the rule of the
    learning rate follows the cooldown point, since at the end of text it has to be another.
    """
    reasons = {str(run_id): "" for run_id in rows["run_id"]}

    def leave_out(frame: pd.DataFrame, is_kept: "pd.Series[bool]", why: str) -> pd.DataFrame:
        reasons.update(dict.fromkeys(frame.loc[~is_kept, "run_id"].astype("str"), why))
        return frame[is_kept]

    kept = leave_out(rows, rows["image_ratio"].notna(), "no image-text pre-training")
    kept = leave_out(kept, kept["cooldown_point"] > 0, "from scratch: no text before the images")
    others = _other_axes(kept, axes)
    keys = _keys(kept, others)
    setting = _most_places(kept, keys)
    kept = leave_out(kept, keys == setting, "another setting of the other axes")
    rules = _rules(kept)
    kept = leave_out(
        kept,
        kept["cooldown_point"].map(rules) == kept[_RULE].astype("str"),
        "another rule of the learning rate than most at its cooldown point",
    )
    words = [axis_words(name, kept[name].iloc[0]) for name in others] if len(kept) else []
    words += [f"{rule} rate at {point:.0%}" for point, rule in rules.items()]
    dropped = tuple(Dropped(label=run, reason=why) for run, why in reasons.items() if why)
    return kept, dropped, ", ".join([":", *words]).replace(":,", ":", 1) + "."


def _other_axes(rows: pd.DataFrame, axes: Sequence[str]) -> list[str]:
    """Return the axes beside the law's that differ among models of one size."""
    aside = {"model", "seed", _RULE, *_VARIED}
    names = [name for name in axes if name in rows and name not in aside]
    by_model = rows.groupby("model")
    return [name for name in names if by_model[name].nunique(dropna=False).max() > 1]


def _keys(rows: pd.DataFrame, names: Sequence[str]) -> "pd.Series[str]":
    """Return each row's values of some columns as one text; absent equals absent."""
    keys = pd.Series("", index=rows.index, dtype="str")
    for name in names:
        keys += "|" + rows[name].astype("str").fillna("none")
    return keys


def _most_places(rows: pd.DataFrame, keys: "pd.Series[str]") -> str:
    places = _keys(rows, ["model", *_VARIED])
    counts = places.groupby(keys).nunique()
    return str(counts.idxmax()) if len(counts) else ""


def _rules(rows: pd.DataFrame) -> dict[float, str]:
    """Return the rule of the learning rate that most models have at each cooldown point."""
    places = rows.assign(place=_keys(rows, ["model", *_VARIED]))
    counts = places.groupby(["cooldown_point", _RULE])["place"].nunique()
    return {
        float(str(point)): str(own.droplevel(0).idxmax())
        for point, own in counts.groupby(level="cooldown_point")
    }


def _points(
    study: StudyResults, rows: pd.DataFrame, law: Law, dropped: tuple[Dropped, ...] = ()
) -> Points:
    """Return models as points, resampled by trunk where there are enough of them."""
    trunks = [_trunk(study, str(subject)) for subject in rows["subject"]]
    points = clean_points(
        column(rows, *law.inputs),
        1 - column(rows, "value")[:, 0],
        [str(run_id) for run_id in rows["run_id"]],
        trunks if len(set(trunks)) >= FEWEST_TRUNKS else None,
        is_zero_allowed=law.may_be_zero,
    )
    return replace(points, dropped=(*dropped, *points.dropped))


def _trunk(study: StudyResults, run_id: str) -> str:
    """Return the first run that a model comes from."""
    run = study.run(run_id)
    return run_id if run is None or not run.needs else _trunk(study, run.needs[0])


def _doubts(fitted: Fit, points: Points) -> list[Flag]:
    found: list[Flag] = []
    derived = {item.name: item.value for item in fitted.derived}
    for name, values in zip(fitted.law.inputs, points.inputs.T, strict=True):
        count = len(np.unique(values))
        if count == FEWEST_VALUES:
            detail = f"{count} values of {name} determine its part and leave none to judge it by"
            found.append(Flag(kind=Warn.FEW_POINTS, detail=detail))
        best = derived.get(BEST.get(name, ""))
        if best is not None and not values.min() <= best <= values.max():
            detail = f"{BEST[name]}: measured from {values.min():g} to {values.max():g}"
            found.append(Flag(kind=Warn.OUTSIDE, detail=detail))
        flat = _flat_share(fitted, name)
        if flat > FAILED_SHARE:
            detail = f"{name} does nothing in {flat:.0%} of resamples, which count its best as 0.5"
            found.append(Flag(kind=Warn.AT_BOUND, detail=detail))
    return found


def _flat_share(fitted: Fit, name: str) -> float:
    """Return the share of resamples in which a parabola has no height."""
    if name not in SHARES or not len(fitted.replicates):
        return 0.0
    first = fitted.law.parameters.index(f"{LETTERS[name]}0")
    return float((fitted.replicates[:, first : first + 2] == 0).all(axis=1).mean())


def _held_out(law: Law, points: Points, place: int, value: float) -> Plain:
    """Fit without one value of an axis and predict it; a refusal is kept as one."""
    scale = points.inputs[:, place]
    words = f"{law.inputs[place]} = {value:.4g}"
    is_kept = scale != value
    try:
        check_carried(law, points.subset(is_kept, words))
        made = hold_out(law, points, is_kept, scale, held_out=words, estimator=ESTIMATOR)
    except FitError as error:
        return {"held_out": words, "refusal": refused(error)}
    return dict(asdict(made))
