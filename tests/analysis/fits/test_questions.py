"""The intervals of effects hold the questions' noise where asked, once, or say why they do not.

Reference: for each resample the scores are averaged anew and the parabola is fitted by numpy.
"""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from analysis.fits.drawn_questions import Noise
from analysis.fits.effects import EffectFit, fit_effects
from analysis.fits.questions import question_noise, share_of_scatter
from analysis.fits.record import Warn
from analysis.laws.law import Array
from analysis.report.fits import shown_fits
from orchestrator.errors import FitError
from orchestrator.store.files import read_json
from orchestrator.store.layout import StudyFolder
from tests.analysis.made_answers import QUESTIONS, normal, write_answers
from tests.analysis.made_results import Effects, made_study, small_paper

NAME = "vision_of_image_ratio"
RATIOS = [0, "5%", "10%", "20%", "30%"]
SPREAD = 0.05
"""Standard deviation of a question's score over questions."""


@pytest.fixture(scope="module")
def exact(tmp_path_factory: pytest.TempPathFactory) -> StudyFolder:
    """A study whose scores lie on a parabola over the image ratio, but for nothing."""
    folder = tmp_path_factory.mktemp("questions")
    path = small_paper(folder)
    tree = yaml.safe_load(path.read_text(encoding="utf-8"))
    tree["arms"] = {name: tree["arms"][name] for name in ("ratio_after_text", "epochs")}
    tree["arms"]["epochs"]["axes"] |= {"epochs": [0, 1, 2, 3, 4], "image_ratio": ["10%"]}
    tree["arms"]["ratio_after_text"]["axes"]["image_ratio"] = RATIOS
    path.write_text(yaml.safe_dump(tree, sort_keys=False), encoding="utf-8")
    return made_study(path, folder, effects=Effects(seed_noise=0, has_question_noise=False))


def copied(exact: StudyFolder, folder: Path) -> StudyFolder:
    shutil.copytree(exact.path, folder / "study")
    return StudyFolder(folder / "study")


def centred(run_id: str, benchmark: str) -> Array:
    """Answers that differ from model to model, and leave the scores where they were."""
    away = normal(run_id, benchmark)
    return SPREAD * (away - away.mean())


def loud(run_id: str, benchmark: str) -> Array:
    return 6 * centred(run_id, benchmark)


def scattered(run_id: str, benchmark: str) -> Array:
    """Answers whose mean moves the scores off the parabola."""
    return SPREAD * normal(run_id, benchmark)


def hardness(run_id: str, benchmark: str) -> Array:  # noqa: ARG001
    """Questions that are as hard for every model."""
    away = normal(benchmark)
    return SPREAD * (away - away.mean())


def fitted(
    folder: StudyFolder, noise: Noise = Noise.RUNS_AND_QUESTIONS, name: str = NAME
) -> EffectFit:
    made = fit_effects(folder, np.random.default_rng(0), noise=noise)
    return next(item for item in made if item.effect.name == name)


def width(item: EffectFit) -> float:
    optimum = item.values[0]
    assert optimum.low is not None
    assert optimum.high is not None
    return optimum.high - optimum.low


def optima_by_hand(folder: StudyFolder, resamples: int) -> Array:
    """Resample the questions of each benchmark, one by one, and fit each model's own mean out."""
    table = pd.read_parquet(folder.tables / "results.parquet")
    cells = pd.read_csv(folder.tables / "cells.csv", dtype={"run_id": str})
    chosen = table[(table["suite"] == "vision") & (table["metric"] == "stable_score")]
    rows = chosen.merge(cells, left_on="subject", right_on="run_id", suffixes=("", "_of"))
    ratio = rows["image_ratio_of"].to_numpy(float)
    model = [(row.model_of, row.seed_of) for row in rows.itertuples()]
    answers = [
        pd.read_parquet(folder.run(str(run_id)).artifacts / "answers.parquet")
        .pivot(index="question_id", columns="benchmark", values="score")
        .to_numpy()
        for run_id in rows["run_id"]
    ]  # each (QUESTIONS, benchmarks)
    rng = np.random.default_rng(9)
    found: list[float] = []
    for _ in range(resamples):
        drawn = rng.integers(QUESTIONS, size=answers[0].shape)
        score = pd.Series([np.take_along_axis(own, drawn, axis=0).mean() for own in answers])
        relative = score - score.groupby(pd.Series(model).astype(str)).transform("mean")
        bend, slope, _ = np.polyfit(ratio, relative.to_numpy(), 2)
        found.append(-slope / (2 * bend))
    return np.array(found)


def test_without_other_noise_the_interval_is_that_of_questions_alone(
    exact: StudyFolder, tmp_path: Path
) -> None:
    folder = copied(exact, tmp_path)
    write_answers(folder, centred)
    assert width(fitted(folder, Noise.RUNS)) < 1e-9  # the scores lie on the curve
    low, high = np.quantile(optima_by_hand(folder, 400), [0.05, 0.95])
    # Ends from 400 resamples move by about a twentieth of the width.
    assert width(fitted(folder)) == pytest.approx(high - low, rel=0.15)


def test_questions_that_are_as_hard_for_every_model_change_nothing(
    exact: StudyFolder, tmp_path: Path
) -> None:
    folder = copied(exact, tmp_path)
    write_answers(folder, hardness)
    assert width(fitted(folder)) < 1e-9


def test_questions_that_are_as_hard_for_a_model_at_every_ratio_make_none_of_the_scatter(
    exact: StudyFolder, tmp_path: Path
) -> None:
    folder = copied(exact, tmp_path)
    table = pd.read_parquet(folder.tables / "results.parquet")
    sizes = table.groupby("run_id")["params"].first()
    assert sizes[list(fitted(exact, Noise.RUNS).run_ids)].nunique() > 1

    def by_model(run_id: str, benchmark: str) -> Array:
        """Questions whose level moves with the model, and scores that scatter without them."""
        of_run = np.random.default_rng(list(run_id.encode())).standard_normal()
        return np.log10(sizes[run_id]) * hardness(run_id, benchmark) + 0.01 * of_run

    write_answers(folder, by_model)
    item = fitted(folder)
    assert item.interval is not None
    assert item.interval.question_share == pytest.approx(0, abs=1e-12)


def test_what_questions_make_of_the_scatter_is_counted_once(
    exact: StudyFolder, tmp_path: Path
) -> None:
    shares: list[float] = []
    widths: list[tuple[float, float]] = []
    for world in "abcdef":
        (tmp_path / world).mkdir()
        folder = copied(exact, tmp_path / world)
        write_answers(folder, lambda run_id, name, world=world: scattered(world + run_id, name))
        item = fitted(folder)
        assert item.interval is not None
        assert item.interval.question_share is not None
        shares.append(item.interval.question_share)
        widths.append((width(fitted(folder, Noise.RUNS)), width(item)))
    assert np.mean(shares) > 0.6  # all of the scatter is of questions, but for chance
    without, own = np.mean(widths, axis=0)
    # Counted twice, it would be wider by sqrt(2) = 1.41.
    assert 0.8 < own / without < 1.3


def test_the_ceiling_over_epochs_holds_the_noise_of_questions_too(
    exact: StudyFolder, tmp_path: Path
) -> None:
    folder = copied(exact, tmp_path)
    write_answers(folder, centred)
    item = fitted(folder, name="vision_of_epochs")
    assert item.interval is not None
    assert item.interval.question_share == 1  # the models lie nearer to the curve than that
    assert item.interval.method.endswith("and of 240 questions of 3 benchmarks")
    write_answers(folder, loud)
    assert width(fitted(folder, name="vision_of_epochs")) > 1.5 * width(item)


def test_a_fit_records_the_questions_that_were_drawn(exact: StudyFolder, tmp_path: Path) -> None:
    folder = copied(exact, tmp_path)
    write_answers(folder, centred)
    one, other = fitted(folder), fitted(folder)
    assert one.values == other.values  # equal seeds
    record: Any = read_json(folder.fits / f"{NAME}.json")
    assert set(record["questions"]["benchmarks"].values()) == {QUESTIONS}
    assert record["questions"]["left_out"] == 0
    (shown,) = [item for item in shown_fits(folder) if item.name == NAME]
    assert "bootstrap of residuals and of 240 questions of 3 benchmarks" in shown.how
    assert "questions alone make 100 % of the scatter" in shown.how


def test_a_run_without_answers_is_named_and_the_intervals_are_as_without(
    exact: StudyFolder, tmp_path: Path
) -> None:
    folder = copied(exact, tmp_path)
    write_answers(folder, scattered)
    lost = fitted(folder).run_ids[3]
    (folder.run(lost).artifacts / "answers.parquet").unlink()
    item = fitted(folder)
    assert item.values == fitted(folder, Noise.RUNS).values
    assert [flag.kind for flag in item.flags] == [Warn.NO_QUESTIONS]
    assert item.flags[0].detail == f"{lost}: left no answers.parquet"
    fitted(folder)
    record: Any = read_json(folder.fits / f"{NAME}.json")
    assert lost in record["questions"]["refusal"]["where"]


def test_questions_that_only_some_were_asked_are_left_out(
    exact: StudyFolder, tmp_path: Path
) -> None:
    folder = copied(exact, tmp_path)
    write_answers(folder, hardness)
    run_ids = fitted(folder).run_ids
    path = folder.run(run_ids[0]).artifacts / "answers.parquet"
    answers = pd.read_parquet(path)
    answers[answers["question_id"] != "q7"].to_parquet(path)
    rows = pd.DataFrame({"run_id": run_ids, "score": np.nan})
    noise = question_noise(folder, rows, 10, np.random.default_rng(0))
    assert [count for _, count in noise.questions] == [QUESTIONS - 1] * 3
    assert noise.left_out == 3
    assert noise.shifts.shape == (10, len(run_ids))


def test_answers_whose_mean_is_not_the_score_are_refused(
    exact: StudyFolder, tmp_path: Path
) -> None:
    folder = copied(exact, tmp_path)
    write_answers(folder, centred)
    rows = pd.DataFrame({"run_id": fitted(folder).run_ids, "score": 0.9})
    with pytest.raises(FitError, match=r"its answers' mean is .*, its score 0\.9"):
        question_noise(folder, rows, 10, np.random.default_rng(0))


def test_damaged_or_doubled_answers_are_refused(exact: StudyFolder, tmp_path: Path) -> None:
    folder = copied(exact, tmp_path)
    write_answers(folder, centred)
    run_ids = fitted(folder).run_ids
    path = folder.run(run_ids[0]).artifacts / "answers.parquet"
    rows = pd.DataFrame({"run_id": run_ids, "score": np.nan})
    answers = pd.read_parquet(path)
    pd.concat([answers, answers.iloc[:2]]).to_parquet(path)
    with pytest.raises(FitError, match="2 questions are there twice"):
        question_noise(folder, rows, 10, np.random.default_rng(0))
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(FitError) as caught:
        question_noise(folder, rows, 10, np.random.default_rng(0))
    assert str(path) == caught.value.where


def test_the_share_is_what_a_fit_does_not_follow() -> None:
    columns = np.ones((4, 1))
    level, contrast = np.ones(4), np.array([1.0, -1.0, 1.0, -1.0])
    residuals = 2.0 * contrast
    assert share_of_scatter(level[None], columns, residuals) == pytest.approx(0, abs=1e-12)
    assert share_of_scatter(contrast[None], columns, residuals) == pytest.approx(0.25)
    assert share_of_scatter(9 * contrast[None], columns, residuals) == 1
