"""How fast a device works, and where that number comes from. Pure.

In this order: what finished runs took, a cluster profile's calibration, its assumed utilisation.
"""

from bisect import bisect_right
from dataclasses import dataclass
from math import log

from orchestrator.errors import ConfigError
from orchestrator.plan.cost.count import total_params, training_flops
from orchestrator.spec.model import ModelConfig
from orchestrator.spec.parallel import Parallelism
from orchestrator.spec.presets import PRESETS
from orchestrator.spec.profile import Calibration, Profile

SECONDS_PER_HOUR = 3600

KAPLAN_FACTOR = 6
"""FLOP per parameter and token of training (Kaplan et al. 2020, arXiv:2001.08361, section 2.1)."""


@dataclass(frozen=True, slots=True)
class Speed:
    """What one device achieves with models of one size."""

    params: int
    """Parameters with embedding and output layer."""
    flops_per_second: float
    """Achieved FLOP per second in training, without those of recomputed activations."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Throughput:
    """How fast one device works, by the size of the model."""

    speeds: tuple[Speed, ...]
    """At least one, in ascending order of size."""
    source: str
    """Where the numbers come from, for people."""

    def at(self, params: int) -> float:
        """Return the achieved FLOP per second at a size: linear in its logarithm, flat outside.

        Args:
            params: parameters with embedding and output layer.
        """
        index = bisect_right(self.speeds, params, key=lambda speed: speed.params)
        if index == 0 or index == len(self.speeds):
            return self.speeds[min(index, len(self.speeds) - 1)].flops_per_second
        below, above = self.speeds[index - 1], self.speeds[index]
        share = log(params / below.params) / log(above.params / below.params)
        return below.flops_per_second + share * (above.flops_per_second - below.flops_per_second)


def flat(flops_per_second: float, source: str) -> Throughput:
    """Return a throughput that is the same for every size."""
    return Throughput(speeds=(Speed(1, flops_per_second),), source=source)


ONE_CPU_SLOT = flat(
    2.5e10,
    "assumed: 25 GFLOP/s per CPU core, the order that models of 0.1 M parameters reach",
)
"""Used where nothing has been measured and no cluster is named."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedLayout:
    """How the runs of one model are to be spread over devices."""

    model: ModelConfig
    """The decoder."""
    parallelism: Parallelism
    """The layout of its training runs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What a study is planned for."""

    throughput: Throughput = ONE_CPU_SLOT
    """How fast one device works."""
    profile: Profile | None = None
    """The cluster; None for CPU slots of this machine, which work in fp32, one to a run."""
    layouts: tuple[WantedLayout, ...] = ()
    """Layouts that were asked for; other models take the smallest that fits."""
    longest_hours: float | None = None
    """Where no layout was asked for, a training run takes devices until it is done in this time,
    as far as cluster and batch have them, assuming that twice the devices halve the time; None
    for the fewest devices. Above 0."""


def machine(
    profile: Profile | None,
    measured: Throughput | None = None,
    *,
    layouts: tuple[WantedLayout, ...] = (),
    longest_hours: float | None = None,
) -> Machine:
    """Return the machine with the best known throughput.

    Args:
        profile: the cluster; None for CPU slots of this machine.
        measured: what finished runs of the study took *on that machine*, if there are any.
        layouts: layouts that were asked for.
        longest_hours: see `Machine`.

    Raises:
        ConfigError: if the profile's calibration does not hold.
    """
    known = ONE_CPU_SLOT if profile is None else profile_throughput(profile)
    return Machine(
        throughput=measured or known, profile=profile, layouts=layouts, longest_hours=longest_hours
    )


def profile_throughput(profile: Profile) -> Throughput:
    """Return the throughput of a profile's devices: calibrated, or at its assumed utilisation.

    Raises:
        ConfigError: if a calibration names no preset, or more than the device can do.
    """
    peak = profile.gpu.peak_teraflops * 1e12
    if not profile.calibration:
        return flat(
            profile.assumed_mfu * peak,
            f"assumed: a model-FLOP utilisation of {profile.assumed_mfu:.0%} of "
            f"{profile.gpu.peak_teraflops:g} TFLOP/s on {profile.gpu.name}",
        )
    speeds = [
        Speed(total_params(_model(entry)), _utilisation(entry, profile) * peak)
        for entry in profile.calibration
    ]
    implied = ", ".join(
        f"{_utilisation(entry, profile):.1%} at {entry.model}" for entry in profile.calibration
    )
    return Throughput(
        speeds=tuple(sorted(speeds, key=lambda speed: speed.params)),
        source=f"calibrated: profile {profile.profile}, a model-FLOP utilisation of {implied}",
    )


def calibration_lines(profile: Profile) -> tuple[str, ...]:
    """Say for each calibration which utilisation it implies, exactly counted and as 6 N D.

    Raises:
        ConfigError: if a calibration names no preset, or more than the device can do.
    """
    return tuple(_line(entry, profile) for entry in profile.calibration)


def _line(entry: Calibration, profile: Profile) -> str:
    params = total_params(_model(entry))
    by_6nd = KAPLAN_FACTOR * params * entry.tokens / _peak_flops(entry, profile)
    return (
        f"{entry.model}: {entry.tokens / 1e9:,.4g} B tokens in {entry.gpu_hours:,.0f} "
        f"{profile.gpu.name} hours: model-FLOP utilisation {_utilisation(entry, profile):.1%} "
        f"with attention, {by_6nd:.1%} as 6 N D with N = {params:,} ({entry.source})"
    )


def _utilisation(entry: Calibration, profile: Profile) -> float:
    """Return the model-FLOP utilisation of a known training run, with the FLOP exactly counted."""
    share = training_flops(_model(entry), entry.tokens) / _peak_flops(entry, profile)
    if share > 1:
        raise ConfigError(
            f"{entry.tokens:,} tokens of {entry.model} in {entry.gpu_hours:,g} hours would be "
            f"{share:.0%} of what {profile.gpu.name} can do",
            where="calibration",
            mend="check tokens, gpu_hours and gpu.peak_teraflops",
        )
    return share


def _peak_flops(entry: Calibration, profile: Profile) -> float:
    return entry.gpu_hours * SECONDS_PER_HOUR * profile.gpu.peak_teraflops * 1e12


def _model(entry: Calibration) -> ModelConfig:
    if entry.model not in PRESETS:
        raise ConfigError(
            f"preset {entry.model!r} is not known",
            where="calibration",
            mend=f"choose one of: {', '.join(PRESETS)}",
        )
    return PRESETS[entry.model]
