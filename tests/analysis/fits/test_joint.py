"""The joint law finds what simulated models follow, and is refused where they cannot show it."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from analysis.fits.drawn_questions import Noise
from analysis.fits.engine import fit
from analysis.fits.joint import ESTIMATOR, INTERVALS, NAMES, check_carried, confounded, fit_joint
from analysis.fits.points import Points, clean_points
from analysis.fits.record import Fit, Value, Warn
from analysis.fits.study import StudyFit
from analysis.laws.joint import joint_law
from analysis.laws.law import Array
from orchestrator.errors import FitError
from orchestrator.store.files import read_json
from orchestrator.store.layout import StudyFolder
from tests.analysis.conftest import BuildStudy
from tests.analysis.made_answers import QUESTIONS, normal, write_answers
from tests.analysis.made_results import Effects

LAW = joint_law(has_tokens=True)
TRUTH = {
    "E": 0.1, "A": 30.0, "B": 40.0, "r0": 0.34, "r1": 1.36, "p0": 0.2, "p1": 0.05,
    "alpha": 0.3, "beta": 0.28, "best_image_ratio": 0.2, "best_cooldown_point": 0.8,
}  # fmt: skip
SIZES, BUDGETS = (1e7, 5e7, 2.5e8, 1.25e9), (2e8, 2e9, 2e10, 2e11)
RATIOS, POINTS = (0.0, 0.05, 0.1, 0.3, 0.5), (0.2, 0.4, 0.6, 0.8, 1.0)
NOISE = 0.004
HARDNESS = 0.3
"""Standard deviation of a question's score over questions."""
Change = Callable[[pd.DataFrame], "pd.Series[Any]"]
"""The rows of a results table -> other values of a column."""


@dataclass(frozen=True, kw_only=True)
class Study:
    """Models of arms that vary one axis at each of several sizes, as a study has them."""

    sizes: tuple[float, ...] = SIZES
    budgets: tuple[float, ...] = BUDGETS
    ratios: tuple[float, ...] = RATIOS
    points: tuple[float, ...] = POINTS

    def inputs(self) -> Array:
        rows = {
            *product(self.sizes, self.budgets, self.ratios[1:2], self.points[-2:-1]),
            *product(self.sizes, self.budgets[-1:], self.ratios, self.points[-2:-1]),
            *product(self.sizes, self.budgets[-1:], self.ratios[1:2], self.points),
        }
        return np.array(sorted(rows))


def simulated(study: Study, noise: float, seed: int = 0) -> Points:
    inputs = study.inputs()
    errors = LAW.predict(np.array([TRUTH[name] for name in LAW.parameters]), inputs)
    errors = errors + noise * np.random.default_rng(seed).standard_normal(len(errors))
    return clean_points(inputs, errors, [f"m{i}" for i in range(len(errors))], is_zero_allowed=True)


def values(found: Fit) -> dict[str, Value]:
    return {item.name: item for item in (*found.parameters, *found.derived)}


def test_its_equation_is_what_it_predicts() -> None:
    n, d, r, p = 3e8, 4e9, 0.2, 0.7
    t = TRUTH
    expected = t["E"] + t["A"] / n ** t["alpha"] + t["B"] / d ** t["beta"]
    expected += t["r0"] * (1 - r) ** 2 + t["r1"] * r**2 + t["p0"] * (1 - p) ** 2 + t["p1"] * p**2
    theta = np.array([t[name] for name in LAW.parameters])
    assert LAW.predict(theta, np.array([[n, d, r, p]]))[0] == pytest.approx(expected, rel=1e-12)
    derived = LAW.derived(theta)
    assert derived["best_image_ratio"] == pytest.approx(t["best_image_ratio"])
    assert derived["best_cooldown_point"] == pytest.approx(t["best_cooldown_point"])


def test_without_noise_the_parameters_are_recovered_exactly() -> None:
    found = fit(LAW, simulated(Study(), 0.0), np.random.default_rng(0), estimator=ESTIMATOR)
    for name, item in values(found).items():
        assert item.value == pytest.approx(TRUTH[name], rel=1e-6), name


def test_with_noise_the_intervals_hold_the_truth_about_as_often_as_they_say() -> None:
    names = ("alpha", "beta", "best_image_ratio", "best_cooldown_point")
    held = dict.fromkeys(names, 0)
    few = replace(INTERVALS, replicates=200)
    for seed in range(20):
        points, rng = simulated(Study(), NOISE, seed), np.random.default_rng(seed)
        found = values(fit(LAW, points, rng, estimator=ESTIMATOR, intervals=few))
        for name in names:
            low, high = found[name].low, found[name].high
            assert low is not None
            assert high is not None
            held[name] += low <= TRUTH[name] <= high
    # Of 20 intervals of 90 %, fewer than 14 hold the truth once in 400 times.
    assert min(held.values()) >= 14, held


@pytest.mark.parametrize(
    ("study", "name"),
    [
        (Study(sizes=SIZES[:1]), "params has 1"),
        (Study(sizes=SIZES[:2]), "params has 2"),
        (Study(budgets=BUDGETS[:2]), "text_tokens has 2"),
        (Study(ratios=(0.1, 0.1, 0.1)), "image_ratio has 1"),
        (Study(points=(0.8, 1.0)), "cooldown_point has 2"),
    ],
)
def test_too_few_values_of_an_axis_are_refused_with_the_axis_to_add(
    study: Study, name: str
) -> None:
    with pytest.raises(FitError) as caught:
        check_carried(LAW, simulated(study, NOISE))
    assert name in caught.value.what
    assert name.split()[0] in caught.value.mend


def test_axes_that_move_together_are_refused_by_name() -> None:
    points = simulated(Study(), NOISE)
    tied = points.inputs.copy()
    tied[:, 1] = 20 * tied[:, 0]  # every model at 20 tokens per parameter
    with pytest.raises(FitError) as caught:
        check_carried(LAW, replace(points, inputs=tied))
    assert "params and text_tokens move together" in caught.value.what
    tied = points.inputs.copy()
    tied[:, 3] = 0.2 + 0.8 * tied[:, 2] / tied[:, 2].max()
    assert set(confounded(LAW, tied)) == {"image_ratio", "cooldown_point"}
    assert confounded(LAW, points.inputs) == ()


def test_sizes_that_do_no_more_than_noise_have_no_exponent() -> None:
    points = simulated(Study(), NOISE)
    size = points.inputs[:, 0]
    flat = points.observed - TRUTH["A"] / size ** TRUTH["alpha"]
    with pytest.raises(FitError) as caught:
        check_carried(LAW, replace(points, observed=flat))
    assert caught.value.what.startswith("what params does could be noise")


def rewritten(folder: StudyFolder, **columns: Change) -> StudyFolder:
    """Give a study's mean vision scores by the law, with noise, and other values of columns."""
    path = folder.tables / "results.parquet"
    rows = pd.read_parquet(path)
    for name, change in columns.items():
        rows[name] = change(rows)
    is_score = (rows["suite"] == "vision") & (rows["metric"] == "stable_score")
    inputs = rows.loc[is_score, list(LAW.inputs)].to_numpy(dtype=np.float64)
    errors = LAW.predict(np.array([TRUTH[name] for name in LAW.parameters]), inputs)
    noise = NOISE * np.random.default_rng(3).standard_normal(len(errors))
    rows.loc[is_score, "value"] = 1 - errors - noise
    rows.to_parquet(path)
    return folder


def wide_study(build: BuildStudy, **columns: Change) -> StudyFolder:
    """Three sizes with a text budget for each of three seeds, and every arm."""
    changes: dict[str, Change] = {
        "params": lambda rows: rows["model"].map({"small": 1e7, "middle": 1e8, "large": 1e9}),
        "text_tokens": lambda rows: rows["seed"].map({0: 2e8, 1: 4e9, 2: 8e10}),
    }
    return rewritten(build(), **changes | columns)


def fitted(folder: StudyFolder, suite: str = "vision") -> StudyFit:
    found = {item.task.name: item for item in fit_joint(folder, np.random.default_rng(0))}
    return found[NAMES[suite]]


def as_hard_for_every_model(run_id: str, benchmark: str) -> Array:  # noqa: ARG001
    away = normal(benchmark)
    return HARDNESS * (away - away.mean()) / away.std()


def width(value: Value) -> float:
    assert value.low is not None
    assert value.high is not None
    return value.high - value.low


def test_a_study_s_joint_law_holds_the_truth_and_is_written(build_study: BuildStudy) -> None:
    folder = wide_study(build_study)
    found = fitted(folder).fit
    assert found is not None
    for name in ("alpha", "beta", "best_image_ratio", "best_cooldown_point"):
        item = values(found)[name]
        assert item.low is not None
        assert item.high is not None
        assert item.low <= TRUTH[name] <= item.high, name
    record = read_json(folder.fits / f"{NAMES['vision']}.json")
    assert record["status"] == "fitted"
    assert record["code"] == ["abc1234"]
    tests = {item["held_out"]: item for item in record["backtests"]}  # type: ignore[union-attr]
    assert tests["image_ratio = 0.5"]["mean_absolute_error"] < 0.1
    assert "params has 2" in tests["params = 1e+08"]["refusal"]["what"]


def test_questions_drawn_anew_widen_what_all_models_have_in_common(
    build_study: BuildStudy, tmp_path: Path
) -> None:
    folder = StudyFolder(tmp_path / "answered")
    shutil.copytree(wide_study(build_study).path, folder.path)
    name = NAMES["vision"]
    (without, *_) = fit_joint(folder, np.random.default_rng(0))
    write_answers(folder, as_hard_for_every_model)
    (drawn, *_) = fit_joint(folder, np.random.default_rng(0), noise=Noise.RUNS_AND_QUESTIONS)
    assert without.fit is not None
    assert drawn.fit is not None
    assert values(drawn.fit)["r0"].value == pytest.approx(values(without.fit)["r0"].value)
    assert drawn.fit.interval is not None
    assert drawn.fit.interval.method.endswith("and of 160 questions of 2 benchmarks")
    # Other questions move the errors of all models together, by this much, and so E alone.
    moved = 2 * 1.645 * HARDNESS / np.sqrt(2 * QUESTIONS)
    lengths = {
        name: (width(values(without.fit)[name]), width(values(drawn.fit)[name]))
        for name in ("E", "best_image_ratio")
    }
    assert lengths["E"][1] == pytest.approx(np.hypot(lengths["E"][0], moved), rel=0.2)
    assert lengths["best_image_ratio"][1] == pytest.approx(lengths["best_image_ratio"][0], rel=0.2)
    record: Any = read_json(folder.fits / f"{name}.json")
    assert set(record["questions"]["benchmarks"].values()) == {QUESTIONS}


def test_a_joint_law_without_answers_says_so(build_study: BuildStudy) -> None:
    folder = wide_study(build_study)
    (item, *_) = fit_joint(folder, np.random.default_rng(0), noise=Noise.RUNS_AND_QUESTIONS)
    assert item.fit is not None
    details = [flag.detail for flag in item.fit.flags if flag.kind is Warn.NO_QUESTIONS]
    assert len(details) == 1
    assert details[0].endswith("left no answers.parquet")


def test_models_from_scratch_and_of_other_settings_are_left_out_by_name(
    build_study: BuildStudy,
) -> None:
    folder = wide_study(build_study)
    found = fitted(folder).fit
    assert found is not None
    rows = pd.read_parquet(folder.tables / "results.parquet").drop_duplicates("run_id")
    used = rows[rows["run_id"].isin(found.used)]
    assert (used["cooldown_point"] > 0).all()
    assert used["epochs"].nunique() == 1
    assert (used.groupby("cooldown_point")["learning_rate_rule"].nunique() == 1).all()
    reasons = {item.reason for item in found.dropped}
    assert len(reasons) == 3
    assert any(reason.startswith("from scratch") for reason in reasons)


def test_one_text_budget_leaves_its_part_out_and_says_so(build_study: BuildStudy) -> None:
    folder = wide_study(build_study, text_tokens=lambda rows: 0 * rows["tokens"] + 4e9)
    found = fitted(folder).fit
    assert found is not None
    assert "text_tokens" not in found.law.inputs
    details = [flag.detail for flag in found.flags if flag.kind is Warn.ONE_SIZE]
    assert any("text_tokens is 4e+09" in detail for detail in details)


def test_a_study_of_one_ratio_is_refused_and_recorded(build_study: BuildStudy) -> None:
    folder = rewritten(
        build_study(arms=("timing",)), text_tokens=lambda rows: 0 * rows["tokens"] + 4e9
    )
    asked = fitted(folder)
    assert asked.fit is None
    record = read_json(folder.fits / f"{NAMES['vision']}.json")
    assert "image_ratio has 1" in record["refusal"]["what"]  # type: ignore[index]
    assert "image_ratio" in record["refusal"]["mend"]  # type: ignore[index]


@pytest.mark.parametrize("has_branches", [True, False])
def test_a_suite_that_no_branch_after_text_was_asked_is_refused(
    build_study: BuildStudy, *, has_branches: bool
) -> None:
    folder = build_study(models=("small",), seeds=(0,), arms=("timing",))
    path = folder.tables / "results.parquet"
    rows = pd.read_parquet(path)
    is_kept = rows["cooldown_point"] == 0 if has_branches else rows["suite"] != "text"
    rows[is_kept].to_parquet(path)
    refusal = fitted(folder, "text").refusal
    assert refusal is not None
    assert "image_ratio has 0" in refusal.what


def test_the_paper_s_models_are_fitted_at_the_setting_that_most_of_them_share(
    paper_folder: StudyFolder, tmp_path: Path
) -> None:
    folder = StudyFolder(tmp_path / "paper")
    shutil.copytree(paper_folder.path, folder.path)
    asked = fitted(folder)
    assert "2 epochs" in asked.task.selection
    assert "rewarmed rate at 100%" in asked.task.selection
    assert asked.fit is not None
    best = values(asked.fit)["best_image_ratio"]
    assert best.low is not None
    assert best.high is not None
    assert best.low <= Effects().best_ratio <= best.high
