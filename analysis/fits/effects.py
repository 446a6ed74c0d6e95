"""What a study's arms say of one axis at a time, kept as `fits/<name>.json` beside the laws.

Models differ by far more than an axis moves them, so that each is taken relative to its own mean
over the axis, or to its own value without images; only models measured at every value count. The
curves then speak of the mean model of the arms, not of any one. Intervals of parabolas count what
the means cost; those of the saturation over epochs take the means as known.

Residuals are drawn anew, and where asked for the questions behind the scores too.
"""

from dataclasses import asdict, dataclass, replace

import numpy as np
import pandas as pd

from analysis.figures.curve import SCORE
from analysis.fits.bootstrap import Bootstrap, Resample
from analysis.fits.codes import code_flags
from analysis.fits.drawn_questions import DrawnQuestions, Noise, draw_questions
from analysis.fits.engine import fit
from analysis.fits.parabola import REPLICATES, critical_ratio, parabola
from analysis.fits.points import Dropped, clean_points
from analysis.fits.record import Flag, IntervalMethod, Value, Warn, refused
from analysis.intervals import LEVEL
from analysis.laws.law import Array
from analysis.laws.saturation import saturation
from analysis.study import StudyResults, open_study, scores
from orchestrator.errors import FitError
from orchestrator.spec.codec import Plain
from orchestrator.store.files import write_json
from orchestrator.store.layout import StudyFolder

TOLERANCE = 0.01
"""Share by which the text loss may rise at the critical ratio: an assumption of ours."""

_RESAMPLES = Bootstrap(replicates=REPLICATES, level=LEVEL, resample=Resample.RESIDUALS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """A curve over one axis."""

    name: str
    """Name of its file."""
    figure: str
    """The figure whose arms vary the axis."""
    axis: str
    """Column of x."""
    measure: tuple[str, str, str]
    """Suite, benchmark and metric of y."""
    words: str
    """What is read from it."""
    moves_along: tuple[str, ...] = ()
    """Axes that change with x in the study's own arms, and so tell no models apart."""


BEST_RATIO = Effect(
    name="vision_of_image_ratio",
    figure="figure_5",
    axis="image_ratio",
    measure=("vision", "average", SCORE),
    words="the image ratio with the highest vision score",
)
BEST_COOLDOWN_POINT = Effect(
    name="vision_of_cooldown_point",
    figure="figure_4",
    axis="cooldown_point",
    measure=("vision", "average", SCORE),
    words="the cooldown point with the highest vision score",
    moves_along=("learning_rate_rule",),  # at the end of text the rate has to be warmed up again
)
EPOCHS = Effect(
    name="vision_of_epochs",
    figure="figure_8",
    axis="epochs",
    measure=("vision", "average", SCORE),
    words="how fast the vision score nears its ceiling",
    moves_along=("instructions",),  # a model that was not fine-tuned has none
)
CRITICAL_RATIO = Effect(
    name="text_loss_of_image_ratio",
    figure="figure_5",
    axis="image_ratio",
    measure=("loss", "val_text_loss", "nats_per_token"),
    words=f"the largest image ratio at which the text loss rises by {TOLERANCE:.0%} at most",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectFit:
    """What came out for one axis, or why nothing did."""

    effect: Effect
    """What was asked for."""
    equation: str
    """Of the curve, with what its values are relative to."""
    source: str
    """Where the form is from."""
    values: tuple[Value, ...] = ()
    """What was fitted and read."""
    interval: IntervalMethod | None = None
    """How the intervals were made; None if there is no fit."""
    run_ids: tuple[str, ...] = ()
    """The runs behind it."""
    dropped: tuple[Dropped, ...] = ()
    """Runs left out, with reasons."""
    flags: tuple[Flag, ...] = ()
    """Doubts."""
    questions: dict[str, Plain] | None = None
    """The questions drawn anew, or why none were; None if nobody asked."""
    refusal: FitError | None = None
    """Why there is no fit."""

    def plain(self) -> dict[str, Plain]:
        """Return the record as JSON values."""
        found: dict[str, Plain] = {
            "name": self.effect.name,
            "status": "refused" if self.refusal else "fitted",
            "selection": f"Models of the arms of {self.effect.figure} that were measured at every "
            f"{self.effect.axis}, for {self.effect.words}.",
            "law": {
                "name": f"{self.effect.measure[1]} over {self.effect.axis}",
                "equation": self.equation,
                "source": self.source,
            },
        }
        if self.refusal is not None:
            return {**found, "refusal": refused(self.refusal)}
        return {
            **found,
            "parameters": [dict(asdict(value)) for value in self.values],
            "interval": None if self.interval is None else dict(asdict(self.interval)),
            "run_ids": list(self.run_ids),
            "dropped": [dict(asdict(one)) for one in self.dropped],
            "flags": [{"kind": flag.kind.value, "detail": flag.detail} for flag in self.flags],
            **({} if self.questions is None else {"questions": self.questions}),
        }


def fit_effects(
    folder: StudyFolder, rng: np.random.Generator, *, noise: Noise = Noise.RUNS
) -> tuple[EffectFit, ...]:
    """Fit a curve over each axis that the arms of a study's figures vary; write a file for each.

    Args:
        folder: the study's results.
        rng: makes the resamples.
        noise: what the intervals hold. A text loss is of no questions: its effect is not changed.

    Raises:
        RecordError: if the plan or the results table is missing or damaged.
    """
    study = open_study(folder)
    made = (
        _optimum(study, BEST_RATIO, rng, noise),
        _optimum(study, BEST_COOLDOWN_POINT, rng, noise),
        _saturation(study, rng, noise),
        _critical(study, rng),
    )
    for item in made:
        write_json(folder.fits / f"{item.effect.name}.json", item.plain())
    return made


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Curve:
    """Values of complete models."""

    x: Array
    y: Array
    rows: pd.DataFrame
    """What they are of, in the same order."""
    models: int
    """How many models, each with a level of its own."""
    levels: Array
    """Values -> the level of each one's model, (n, n)."""

    @property
    def run_ids(self) -> tuple[str, ...]:
        return tuple(self.rows["run_id"].astype("str").tolist())


_OF_PARABOLAS = IntervalMethod(
    method="percentile bootstrap of residuals", level=LEVEL, replicates=REPLICATES, failed=0
)


def _again(
    study: StudyResults, effect: Effect, curve: _Curve, rng: np.random.Generator, noise: Noise
) -> DrawnQuestions:
    """Draw the questions of a curve's runs anew; what they do to a model's level is no noise."""
    drawn = draw_questions(
        study, effect.measure[0], curve.run_ids, noise, rng, replicates=REPLICATES
    )
    if drawn.shifts is None:
        return drawn
    return replace(drawn, shifts=drawn.shifts - drawn.shifts @ curve.levels.T)


def _optimum(
    study: StudyResults, effect: Effect, rng: np.random.Generator, noise: Noise
) -> EffectFit:
    asked = EffectFit(
        effect=effect,
        equation=f"score - mean of its model = c0 + c1 {effect.axis} + c2 {effect.axis}^2",
        source="a parabola about the optimum: an assumption",
    )
    try:
        curve = _curve(study, effect)
        again = _again(study, effect, curve, rng, noise)
        found = parabola(
            curve.x, curve.y, rng, is_minimum=False, groups=curve.models, shifts=again.shifts
        )
    except FitError as error:
        return replace(asked, refusal=error)
    measured = f"measured from {curve.x.min():g} to {curve.x.max():g}"
    outside = [] if found.is_inside else [Flag(kind=Warn.OUTSIDE, detail=measured)]
    return replace(
        asked,
        values=(found.optimum, found.reached),
        interval=replace(
            _OF_PARABOLAS,
            method=_OF_PARABOLAS.method + again.method,
            question_share=found.question_share,
        ),
        run_ids=curve.run_ids,
        flags=(*outside, *code_flags(curve.rows), *again.flags),
        questions=again.record,
    )


def _saturation(study: StudyResults, rng: np.random.Generator, noise: Noise) -> EffectFit:
    law = saturation(EPOCHS.axis)
    equation = law.equation.replace("score", "1 + score - mean of its model", 1)
    asked = EffectFit(effect=EPOCHS, equation=equation, source=law.source)
    try:
        curve = _curve(study, EPOCHS)
        again = _again(study, EPOCHS, curve, rng, noise)
        points = clean_points(
            curve.x[:, None], 1 + curve.y, list(curve.run_ids), is_zero_allowed=law.may_be_zero
        )
        found = fit(law, points, rng, intervals=_RESAMPLES, shifts=again.shifts)
        assert found.interval is not None, "intervals were asked for"
    except FitError as error:
        return replace(asked, refusal=error)
    return replace(
        asked,
        values=(*found.parameters, *found.derived),
        interval=replace(found.interval, method=found.interval.method + again.method),
        run_ids=found.used,
        dropped=found.dropped,
        flags=(*found.flags, *code_flags(curve.rows), *again.flags),
        questions=again.record,
    )


def _critical(study: StudyResults, rng: np.random.Generator) -> EffectFit:
    asked = EffectFit(
        effect=CRITICAL_RATIO,
        equation="loss / loss without images = c0 + c1 image_ratio + c2 image_ratio^2",
        source="a parabola: an assumption",
    )
    try:
        curve = _curve(study, CRITICAL_RATIO, relative_to_first=True)
        value = critical_ratio(curve.x, curve.y, TOLERANCE, rng, groups=curve.models)
    except FitError as error:
        return replace(asked, refusal=error)
    return replace(
        asked,
        values=(value,),
        interval=_OF_PARABOLAS,
        run_ids=curve.run_ids,
        flags=tuple(code_flags(curve.rows)),
    )


def _curve(study: StudyResults, effect: Effect, *, relative_to_first: bool = False) -> _Curve:
    """Return every complete model's values, relative to its mean or to its lowest x.

    Only the arms with the most places count: others compare something else at a few of them.

    Raises:
        FitError: if no model was measured at two values of the axis or more.
    """
    rows = scores(study.table.rows(study.arms_of(effect.figure)), *effect.measure)
    rows = rows.dropna(subset=[effect.axis])
    counts = {str(arm): own[effect.axis].nunique() for arm, own in rows.groupby("arm")}
    most = [arm for arm, count in counts.items() if count == max(counts.values())]
    rows = rows[rows["arm"].isin(most)].drop_duplicates(["run_id", effect.axis])
    places = rows[effect.axis].nunique()
    aside = (effect.axis, *effect.moves_along)
    others = [name for name in study.table.axes if name in rows and name not in aside]
    keys = rows[others].astype("str").fillna("none").agg("|".join, axis=1) if others else None
    groups = [own for _, own in rows.groupby(keys)] if keys is not None and len(rows) else [rows]
    complete = [own for own in groups if own[effect.axis].nunique() == places]
    if places < 2 or not complete:
        raise FitError(
            f"no model was measured at several values of {effect.axis}",
            effect.figure,
            f"run an arm that varies {effect.axis} and feeds {effect.figure}",
        )
    parts: list[pd.DataFrame] = []
    for own in complete:
        means = own.groupby(effect.axis)["value"].mean()
        base = float(means.iloc[0]) if relative_to_first else float(means.mean())
        y = own["value"] / base if relative_to_first else own["value"] - base
        alike = own.groupby(effect.axis)["value"].transform("size")
        parts.append(own.assign(y=y, part=1 / (places * alike), group=len(parts)))
    whole = pd.concat(parts)
    group = whole["group"].to_numpy()
    same = group[:, None] == group  # (n, n)
    return _Curve(
        x=whole[effect.axis].to_numpy(dtype=np.float64),
        y=whole["y"].to_numpy(dtype=np.float64),
        rows=whole,
        models=len(complete),
        levels=same * whole["part"].to_numpy(dtype=np.float64),
    )
