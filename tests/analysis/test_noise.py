"""The noise floor is the spread between seeds, and is counted in what rests on single seeds."""

import math
from collections.abc import Callable

import pandas as pd
import pytest
from scipy import stats

from analysis.noise import NoiseFloor, noise_floor, of_single_run
from analysis.study import open_study
from orchestrator.store.layout import StudyFolder

FLOOR = NoiseFloor(
    deviation=0.003, low=0.002, high=0.008, freedom=3, settings=6, arms=("seeds",), run_ids=()
)


def test_settings_of_one_branch_count_once(paper_folder: StudyFolder) -> None:
    floor = noise_floor(open_study(paper_folder), "vision", "average", "stable_score")
    assert floor is not None
    assert (floor.settings, floor.freedom, floor.arms) == (6, 3, ("seeds",))
    results = pd.read_csv(paper_folder.tables / "results.csv", low_memory=False)
    cells = pd.read_csv(paper_folder.tables / "cells.csv")
    own = cells[cells["arm"] == "seeds"].merge(
        results[(results["suite"] == "vision") & (results["metric"] == "stable_score")],
        left_on="run_id",
        right_on="subject",
        suffixes=("", "_measured"),
    )
    pairs = own.groupby(["image_ratio", "epochs"])["value"].agg(list)
    squares = [(first - second) ** 2 / 2 for first, second in pairs]
    assert floor.deviation == pytest.approx(math.sqrt(sum(squares) / 6))
    low = math.sqrt(3 / float(stats.chi2.ppf(0.95, 3)))
    high = math.sqrt(3 / float(stats.chi2.ppf(0.05, 3)))
    assert (floor.low, floor.high) == pytest.approx((floor.deviation * low, floor.deviation * high))


def test_a_study_without_an_arm_of_seeds_has_no_floor(
    build_study: Callable[..., StudyFolder],
) -> None:
    folder = build_study(models=("small",), arms=("timing",))
    assert noise_floor(open_study(folder), "vision", "average", "stable_score") is None


def test_two_single_models_differ_by_chance_by_root_two_of_the_spread() -> None:
    assert FLOOR.of_difference == pytest.approx(float(stats.t.ppf(0.95, 3)) * 0.003 * math.sqrt(2))


def test_without_errors_over_questions_the_interval_is_the_seeds_own() -> None:
    estimate = of_single_run(0.5, None, FLOOR)
    assert estimate.high == pytest.approx(0.5 + float(stats.t.ppf(0.95, 3)) * 0.003)


def test_large_errors_over_questions_leave_the_normal_interval() -> None:
    estimate = of_single_run(0.5, 1.0, FLOOR)
    assert estimate.high == pytest.approx(0.5 + float(stats.norm.ppf(0.95)), rel=1e-3)


def test_a_difference_has_the_noise_of_two_models() -> None:
    one, two = of_single_run(0.0, 0.0, FLOOR), of_single_run(0.0, 0.0, FLOOR, models=2)
    assert one.high is not None
    assert two.high == pytest.approx(one.high * math.sqrt(2))
