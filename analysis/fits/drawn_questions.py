"""The noise of questions for a study's fits where asked for, or why not. Reads answers.

Shapes in comments: R replicates, n runs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import pandas as pd

from analysis.fits.questions import question_noise, words
from analysis.fits.record import Flag, Warn, refused
from analysis.laws.law import Array
from analysis.study import StudyResults, scores
from orchestrator.errors import FitError
from orchestrator.spec.codec import Plain


class Noise(StrEnum):
    """What the intervals of fits to scores hold."""

    RUNS = "runs"
    """The scatter of runs about the curve."""
    RUNS_AND_QUESTIONS = "runs and questions"
    """That scatter, and what other questions of the same kind would have changed: they are drawn
    anew within each benchmark, the same for all models. What questions make of the scatter is
    counted once."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DrawnQuestions:
    """Questions drawn anew behind the mean scores of some runs."""

    shifts: Array | None = None
    """Of the scores, (R, n); None if none were drawn."""
    method: str = ""
    """What was drawn, to be put after the interval's method."""
    record: dict[str, Plain] | None = None
    """For the fit's record; None if nobody asked."""
    flags: tuple[Flag, ...] = ()
    """Why none were drawn, if they should have been."""


def draw_questions(
    study: StudyResults,
    suite: str,
    run_ids: Sequence[str],
    noise: Noise,
    rng: np.random.Generator,
    *,
    replicates: int,
) -> DrawnQuestions:
    """Draw the questions of a suite's benchmarks anew, if asked; a refusal becomes a flag.

    Args:
        study: whose results.
        suite: whose mean score is fitted.
        run_ids: its evaluations, n of them.
        noise: what the intervals are to hold.
        rng: draws them.
        replicates: R, how often.
    """
    if noise is Noise.RUNS:
        return DrawnQuestions()
    means = scores(study.table.results, suite, "average", "score")
    score = means.drop_duplicates("run_id").set_index("run_id")["value"]
    rows = pd.DataFrame({"run_id": run_ids, "score": score.reindex(list(run_ids)).to_numpy()})
    try:
        drawn = question_noise(study.folder, rows, replicates, rng)
    except FitError as error:
        flag = Flag(kind=Warn.NO_QUESTIONS, detail=error.what)
        return DrawnQuestions(record={"refusal": refused(error)}, flags=(flag,))
    return DrawnQuestions(
        shifts=drawn.shifts,
        method=f" and of {words(drawn)}",
        record={"benchmarks": dict(drawn.questions), "left_out": drawn.left_out},
    )
