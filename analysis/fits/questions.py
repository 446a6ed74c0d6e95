"""How far other questions of the same kind would have moved a study's scores. Reads answers.

Every model was asked the same questions, so that a resample draws the same ones for all of them,
benchmark by benchmark, as `sweep results compare` does for two.

Shapes in comments: R replicates, m evaluations, q questions of a benchmark, n rows.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.laws.law import Array
from orchestrator.errors import FitError
from orchestrator.store.layout import RunFolder, StudyFolder

ANSWERS = "answers.parquet"
"""Among an evaluation's artifacts: a row for each question, with `score` in [0, 1]."""

_CHUNK_VALUES = 2_000_000
"""Counts of questions drawn at a time, 16 MB."""
_SAME_SCORE = 1e-6
"""A score that lies further from the mean of its answers was not made from them."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class QuestionNoise:
    """What resampled questions do to scores."""

    shifts: Array
    """Resampled score minus the measured one, (R, n)."""
    questions: tuple[tuple[str, int], ...]
    """Benchmarks, each with the questions that every model has a score for."""
    left_out: int
    """Questions that only some of the models have a score for; they are not drawn."""


def question_noise(
    folder: StudyFolder, rows: pd.DataFrame, replicates: int, rng: np.random.Generator
) -> QuestionNoise:
    """Draw the questions of each benchmark anew, the same for all evaluations.

    Args:
        folder: the study's results.
        rows: n of them: `run_id` of an evaluation, and `score`, the mean over its benchmarks of the
            mean score of their questions; NaN where nobody wrote it down.
        replicates: R, how many resamples.
        rng: draws them.

    Raises:
        FitError: if an evaluation left no answers, if they are not what its score was made of, or
            if the evaluations have no question in common.
    """
    run_ids = [str(name) for name in rows["run_id"]]
    unique = list(dict.fromkeys(run_ids))
    answers = {name: _answers(folder.run(name)) for name in unique}
    for name, score in zip(run_ids, rows["score"].tolist(), strict=True):
        _check_score(name, answers[name], float(score))
    names = list(dict.fromkeys(str(name) for name in answers[unique[0]]["benchmark"]))
    asked: list[tuple[str, int]] = []
    shift = np.zeros((replicates, len(unique)))
    left_out = 0
    for benchmark in names:
        scores, others = _common(benchmark, answers)  # (q, m)
        shift += _shifts(scores, replicates, rng) / len(names)
        asked.append((benchmark, len(scores)))
        left_out += others
    places = [unique.index(name) for name in run_ids]
    return QuestionNoise(shifts=shift[:, places], questions=tuple(asked), left_out=left_out)


def _answers(folder: RunFolder) -> pd.DataFrame:
    path = folder.artifacts / ANSWERS
    try:
        found = pd.read_parquet(path, columns=["benchmark", "question_id", "score"])
    except (OSError, ValueError, KeyError) as error:
        what = f"left no {ANSWERS}" if isinstance(error, FileNotFoundError) else str(error)
        raise FitError(
            f"{folder.run_id}: {what}",
            str(path),
            "bring the run's artifacts here, or evaluate the model anew",
        ) from error
    twice = int(found.duplicated(["benchmark", "question_id"]).sum())
    if found.empty or twice:
        what = f"{twice} questions are there twice" if twice else "no question is there"
        raise FitError(f"{folder.run_id}: {what}", str(path), "evaluate the model anew")
    return found


def _check_score(name: str, answers: pd.DataFrame, score: float) -> None:
    """Refuse answers whose mean is not the score that is in the table."""
    means = answers.groupby("benchmark")["score"].mean()
    if means.isna().any():
        raise FitError(
            f"{means.index[means.isna()][0]} has no scores of single questions",
            name,
            "read the intervals without its questions",
        )
    if not np.isnan(score) and abs(float(means.mean()) - score) > _SAME_SCORE:
        raise FitError(
            f"{name}: its answers' mean is {float(means.mean()):.6g}, its score {score:.6g}",
            name,
            "a benchmark whose score is no mean over questions has no such interval",
        )


def _common(benchmark: str, answers: dict[str, pd.DataFrame]) -> tuple[Array, int]:
    """Return the scores of questions that every evaluation has, (q, m), and how many only some."""
    columns: dict[str, pd.Series] = {}
    for name, found in answers.items():
        own = found[found["benchmark"] == benchmark]
        columns[name] = own.set_index("question_id")["score"]
    every = pd.DataFrame(columns)
    common = every.dropna()
    if common.empty:
        raise FitError(
            f"no question of {benchmark} was asked of all {len(answers)} models",
            ANSWERS,
            "evaluate them on the same suite",
        )
    return common.to_numpy(dtype=np.float64), len(every) - len(common)


def _shifts(scores: Array, replicates: int, rng: np.random.Generator) -> Array:
    """Return the mean over drawn questions minus that over all, (q, m) -> (R, m)."""
    count = len(scores)
    away = scores - scores.mean(axis=0)
    size = max(1, _CHUNK_VALUES // count)
    parts: list[Array] = []
    for first in range(0, replicates, size):
        drawn = np.empty((min(size, replicates - first), count))
        for row in drawn:  # several times as fast as a multinomial of as many kinds
            row[:] = np.bincount(rng.integers(count, size=count), minlength=count)
        parts.append(drawn @ away / count)
    return np.concatenate(parts)


def share_of_scatter(shifts: Array, columns: Array, residuals: Array) -> float:
    """Return the share of a fit's squared residuals that questions alone would make, at most 1.

    Args:
        shifts: of the observations, in the residuals' space, (R, n).
        columns: derivatives of the prediction by each parameter, (n, M).
        residuals: at the optimum, (n,).
    """
    followed = shifts @ np.linalg.pinv(columns).T @ columns.T  # what the fit follows
    own, all_of_it = float(((shifts - followed) ** 2).mean()), float((residuals**2).mean())
    return 1.0 if all_of_it <= own else own / all_of_it


def words(noise: QuestionNoise) -> str:
    """Return what was drawn."""
    total = sum(count for _, count in noise.questions)
    return f"{total:,} questions of {_benchmarks(noise.questions)}"


def _benchmarks(questions: Sequence[tuple[str, int]]) -> str:
    return f"{len(questions)} benchmark{'s' if len(questions) > 1 else ''}"
