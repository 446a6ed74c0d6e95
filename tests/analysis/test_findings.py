"""Findings recover what a synthetic world holds, and say when they cannot."""

import math
from collections.abc import Callable

import numpy as np
import pytest

from analysis.claims import Direction
from analysis.findings import Finding, Verdict, findings, verdict_of
from analysis.intervals import Estimate
from analysis.study import open_study
from orchestrator.store.layout import StudyFolder

Build = Callable[..., StudyFolder]


def found_in(folder: StudyFolder) -> dict[str, Finding]:
    return {item.name: item for item in findings(open_study(folder), np.random.default_rng(0))}


@pytest.fixture(scope="module")
def found(study_folder: StudyFolder) -> dict[str, Finding]:
    return found_in(study_folder)


def holds(finding: Finding, value: float) -> bool:
    estimate = finding.estimate
    assert estimate is not None
    assert estimate.low is not None
    assert estimate.high is not None
    # Twice the half-width: an interval of 90 % misses one time in ten, this one hardly ever.
    return abs(estimate.value - value) <= estimate.high - estimate.low


def test_the_timing_effect_is_recovered(found: dict[str, Finding]) -> None:
    for name in ("timing_equal_peak", "timing_inherited"):
        assert holds(found[name], 0.05)
        assert found[name].verdict is Verdict.AGREES
        assert found[name].run_ids


def test_the_effect_of_images_from_scratch_is_recovered(found: dict[str, Finding]) -> None:
    assert found["scratch_vision"].verdict is Verdict.AGREES
    assert holds(found["scratch_text"], -0.08)


def test_the_best_ratio_is_one_of_those_near_the_optimum(found: dict[str, Finding]) -> None:
    estimate = found["best_ratio"].estimate
    assert estimate is not None
    assert estimate.value in (0.1, 0.2)  # the world's optimum lies half-way between
    assert found["best_ratio"].verdict is Verdict.AGREES


def test_sight_is_measured_for_each_model_and_over_all(found: dict[str, Finding]) -> None:
    assert {"sight", "sight_small", "sight_middle", "sight_large"} <= set(found)
    assert found["sight"].verdict is Verdict.AGREES
    estimate = found["sight_small"].estimate
    assert estimate is not None
    assert "3 models and seeds (30 pairs)" in estimate.method


def test_losses_fall_in_every_pair_of_a_lawful_world(found: dict[str, Finding]) -> None:
    estimate = found["loss_falls_with_params"].estimate
    assert estimate is not None
    assert (estimate.value, estimate.n) == (1.0, 2 * 4 * 3)


def test_what_no_arm_measures_is_not_measured(found: dict[str, Finding]) -> None:
    published = found["timing_as_published"]
    assert published.verdict is Verdict.NOT_MEASURED
    assert published.estimate is None
    assert "timing" in (published.reason or "")


def test_a_world_without_a_timing_effect_shows_none(build_study: Build) -> None:
    folder = build_study(timing_gain=0.0, seed_noise=0.01, models=("small",), arms=("timing",))
    assert found_in(folder)["timing_equal_peak"].verdict is not Verdict.AGREES


def test_one_seed_of_one_model_has_the_error_of_its_questions(build_study: Build) -> None:
    folder = build_study(models=("small",), seeds=(0,), arms=("timing",))
    estimate = found_in(folder)["timing_equal_peak"].estimate
    assert estimate is not None
    assert "questions" in estimate.method


def test_the_best_ratio_is_found_for_each_model(found: dict[str, Finding]) -> None:
    own = found["best_ratio_large"].estimate
    assert own is not None
    assert own.value in (0.1, 0.2)
    assert own.n == 3  # seeds
    assert "errors over questions" in own.method


def test_one_model_of_one_seed_has_a_best_ratio_with_the_interval_of_its_questions(
    build_study: Build,
) -> None:
    folder = build_study(models=("small",), seeds=(0,), arms=("ratio_after_text",), seed_noise=0.0)
    found = found_in(folder)
    estimate = found["best_ratio"].estimate
    assert estimate is not None
    assert estimate.n == 1
    # An error of 0.009 cannot tell 0, 10 and 20 % apart (0.01 at most), but it can 50 % (0.06).
    assert (estimate.low, estimate.high) == (0.0, 0.2)
    assert "best_ratio_small" not in found


def test_seeds_give_every_difference_a_noise_floor(paper_folder: StudyFolder) -> None:
    found = found_in(paper_folder)
    for name in ("timing_equal_peak", "instructions_vision", "epochs_vision", "scratch_text"):
        noise, estimate = found[name].noise, found[name].estimate
        assert noise is not None
        assert estimate is not None
        assert noise.arms == ("seeds",)
        floor = 100 * noise.of_difference / math.sqrt(estimate.n)
        assert f"noise floor from seeds of seeds: {floor:.2f} points" in estimate.method


def test_a_study_without_seeds_names_no_noise_floor(found: dict[str, Finding]) -> None:
    assert found["timing_equal_peak"].noise is None


def test_the_effect_of_instruction_data_is_recovered(paper_folder: StudyFolder) -> None:
    finding = found_in(paper_folder)["instructions_vision"]
    # The world's effect is -0.04 of the share; the mean over 50 % and 100 % is -0.03.
    assert holds(finding, -0.03)
    assert finding.verdict is not Verdict.DISAGREES


def test_a_branch_at_100_percent_with_the_equal_peak_keeps_its_arms_label(
    paper_folder: StudyFolder,
) -> None:
    estimate = found_in(paper_folder)["timing_equal_peak"].estimate
    assert estimate is not None
    assert estimate.n == 2  # both seeds, though one of the runs is also the re-warmed one


@pytest.mark.parametrize(
    ("value", "direction", "verdict"),
    [
        (0.005, Direction.ABOVE, Verdict.WITHIN_NOISE),
        (0.03, Direction.ABOVE, Verdict.AGREES),
        (-0.03, Direction.ABOVE, Verdict.DISAGREES),
        (-0.005, Direction.BELOW, Verdict.WITHIN_NOISE),
        (0.03, Direction.HOLDS, Verdict.DISAGREES),
    ],
)
def test_what_seeds_alone_may_do_is_no_effect(
    value: float, direction: Direction, verdict: Verdict
) -> None:
    estimate = Estimate(value=value, low=value - 0.001, high=value + 0.001, n=3, method="")
    assert verdict_of(estimate, direction, floor=0.01) is verdict


@pytest.mark.parametrize(
    ("low", "high", "direction", "verdict"),
    [
        (0.01, 0.03, Direction.ABOVE, Verdict.AGREES),
        (-0.01, 0.03, Direction.ABOVE, Verdict.WITHIN_NOISE),
        (-0.03, -0.01, Direction.ABOVE, Verdict.DISAGREES),
        (-0.03, -0.01, Direction.BELOW, Verdict.AGREES),
        (0.01, 0.03, Direction.BELOW, Verdict.DISAGREES),
        (-0.01, 0.01, Direction.HOLDS, Verdict.AGREES),
        (-0.05, 0.05, Direction.HOLDS, Verdict.WITHIN_NOISE),
        (0.01, 0.05, Direction.HOLDS, Verdict.DISAGREES),
    ],
)
def test_a_verdict_follows_the_interval(
    low: float, high: float, direction: Direction, verdict: Verdict
) -> None:
    estimate = Estimate(value=(low + high) / 2, low=low, high=high, n=5, method="")
    assert verdict_of(estimate, direction) is verdict
