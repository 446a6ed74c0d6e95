"""What a model took in all, its ancestors included. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass

from orchestrator.plan.plan import PlannedRun
from orchestrator.spec.run import Stage

NOT_TRAINING_THE_DECODER = (Stage.TOWER_PRETRAIN, Stage.EVALUATE)
"""Stages whose cost is not part of a model's own training."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """Training of one model from its initial weights, or of several."""

    tokens: int = 0
    """Positions trained on."""
    image_tokens: int = 0
    """Positions in sequences of captioned images or instructions."""
    flops: float = 0.0
    """Compute in FLOP."""
    device_hours: float = 0.0
    """Hours of one device."""

    def plus(self, other: "Totals") -> "Totals":
        """Add two totals."""
        return Totals(
            tokens=self.tokens + other.tokens,
            image_tokens=self.image_tokens + other.image_tokens,
            flops=self.flops + other.flops,
            device_hours=self.device_hours + other.device_hours,
        )


def own(run: PlannedRun) -> Totals:
    """Return what a run trains itself."""
    return Totals(
        tokens=run.cost.tokens,
        image_tokens=run.cost.image_tokens,
        flops=run.cost.flops,
        device_hours=run.cost.device_hours,
    )


def from_scratch(runs: Iterable[PlannedRun]) -> dict[str, Totals]:
    """Return for each training run what its model took from its initial weights on.

    Args:
        runs: a plan's runs, parents before children.
    """
    totals: dict[str, Totals] = {}
    for run in runs:
        if run.stage in NOT_TRAINING_THE_DECODER:
            continue
        sums = own(run)
        for need in run.needs:
            sums = sums.plus(totals.get(need, Totals()))
        totals[run.run_id] = sums
    return totals


def trained_alone(runs: tuple[PlannedRun, ...]) -> Totals:
    """Return what all models in arms would take if each were trained on its own."""
    totals = from_scratch(runs)
    return _sum(totals[run.run_id] for run in runs if run.cells)


def trained_once(runs: tuple[PlannedRun, ...]) -> Totals:
    """Return what the plan takes."""
    return _sum(own(run) for run in runs if run.stage not in NOT_TRAINING_THE_DECODER)


def _sum(parts: Iterable[Totals]) -> Totals:
    total = Totals()
    for part in parts:
        total = total.plus(part)
    return total
