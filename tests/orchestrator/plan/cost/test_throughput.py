"""Where speeds come from: measured, calibrated, assumed."""

from dataclasses import replace
from math import exp, log

import pytest

from orchestrator.errors import ConfigError
from orchestrator.plan.cost.count import total_params
from orchestrator.plan.cost.throughput import (
    ONE_CPU_SLOT,
    Speed,
    Throughput,
    calibration_lines,
    flat,
    machine,
    profile_throughput,
)
from orchestrator.spec.presets import PRESETS
from orchestrator.spec.profile import Calibration, Gpu, Partition, Profile

SMALL, LARGE = (total_params(PRESETS[name]) for name in ("open_lm_79m", "open_lm_1b"))
PEAK = 312e12
BARE = Profile(
    profile="test",
    about="",
    gpu=Gpu(name="A100", memory_gib=80, peak_teraflops=312),
    gpus_per_node=8,
    partitions=(Partition(name="gpu", nodes=1),),
    assumed_mfu=0.35,
)
KNOWN = replace(
    BARE,
    calibration=(
        Calibration(model="open_lm_1b", tokens=4_300_000_000_000, gpu_hours=106_000, source="b"),
        Calibration(model="open_lm_79m", tokens=237_000_000_000, gpu_hours=1_200, source="a"),
    ),
)


def test_utilisation_between_calibrated_sizes_is_linear_in_their_logarithm() -> None:
    speeds = Throughput(speeds=(Speed(100, 1.0), Speed(10_000, 3.0)), source="test")
    assert [speeds.at(params) for params in (100, 1_000, 10_000)] == pytest.approx([1, 2, 3])
    assert speeds.at(round(exp((log(100) + 3 * log(10_000)) / 4))) == pytest.approx(2.5, rel=1e-3)


def test_utilisation_is_flat_beyond_calibrated_sizes() -> None:
    speeds = Throughput(speeds=(Speed(100, 1.0), Speed(10_000, 3.0)), source="test")
    assert (speeds.at(1), speeds.at(10**9)) == (1.0, 3.0)
    assert {flat(5.0, "test").at(params) for params in (0, 1, 10**12)} == {5.0}


def test_a_calibrated_profile_gives_back_the_hours_it_was_calibrated_with() -> None:
    speeds = profile_throughput(KNOWN)
    # 6 FLOP a parameter and token, checked by hand to 1 %: the large model's attention costs as
    # much as its embedding, which is only looked up, saves.
    by_hand = 6 * LARGE * 4.3e12 / (106_000 * 3600)
    assert speeds.at(LARGE) == pytest.approx(by_hand, rel=0.01)
    assert speeds.at(SMALL) < speeds.at(2 * SMALL) < speeds.at(LARGE)
    assert "6.5% at open_lm_79m" in speeds.source
    assert "31.1% at open_lm_1b" in speeds.source


def test_calibrations_say_what_they_imply_exactly_and_by_6nd() -> None:
    large, small = calibration_lines(KNOWN)
    assert "6.5% with attention, 8.3% as 6 N D" in small
    assert "31.1% with attention, 31.2% as 6 N D" in large
    assert "78,922,240" in small


def test_without_calibration_the_profiles_assumption_is_taken_and_named() -> None:
    speeds = profile_throughput(BARE)
    assert speeds.at(SMALL) == speeds.at(LARGE) == pytest.approx(0.35 * PEAK)
    assert speeds.source.startswith("assumed")
    assert "35%" in speeds.source


def test_measurements_win_over_calibration_and_that_over_assumptions() -> None:
    measured = flat(1e12, "measured: test")
    assert machine(KNOWN, measured).throughput == measured
    assert machine(KNOWN).throughput.source.startswith("calibrated")
    assert machine(BARE).throughput.source.startswith("assumed")
    assert machine(None).throughput == ONE_CPU_SLOT
    assert machine(None, measured).throughput == measured


@pytest.mark.parametrize(
    "change", [{"model": "open_lm_2b"}, {"gpu_hours": 10.0}], ids=["unknown", "too fast"]
)
def test_a_calibration_that_cannot_be_is_refused(change: dict[str, str | float]) -> None:
    entry = replace(KNOWN.calibration[0], **change)
    with pytest.raises(ConfigError) as caught:
        profile_throughput(replace(BARE, calibration=(entry,)))
    assert caught.value.where == "calibration"
    assert str(next(iter(change.values()))).removesuffix(".0") in caught.value.what
