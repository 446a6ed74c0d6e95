"""What one plan adds to, drops from and keeps of another, by `run_id`. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass

from orchestrator.plan.compare.pairing import Pair, Side, paired
from orchestrator.plan.compare.recipe import Contrast, Recipes
from orchestrator.plan.plan import Plan, PlannedRun
from orchestrator.spec.run import Stage


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """How many runs, and what they take."""

    runs: int
    """Runs."""
    tokens: int
    """Positions trained on."""
    device_hours: float
    """Hours of one device."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """The difference in one stage or arm."""

    name: str
    """The stage or arm."""
    added: Tally
    """Runs that only the second plan has, with its costs."""
    dropped: Tally
    """Runs that only the first plan has, with its costs."""
    kept: Tally
    """Runs of both plans, with the second's costs; in an arm, runs that serve it in either."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """A setting that changed, and the runs that have it changed."""

    contrast: Contrast
    """Its place and values: `one` in the first plan, `other` in the second."""
    runs: tuple[PlannedRun, ...]
    """Runs of the second plan whose counterparts have the other value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Two plans side by side."""

    added: tuple[PlannedRun, ...]
    """Runs that only the second plan has."""
    dropped: tuple[PlannedRun, ...]
    """Runs that only the first plan has."""
    kept: tuple[PlannedRun, ...]
    """Runs of both, as the second plan has them."""
    kept_before: Tally
    """What the kept runs take as the first plan has them."""
    total: Row
    """All runs."""
    stages: tuple[Row, ...]
    """By stage, in the order that a model passes through them; those with runs."""
    arms: tuple[Row, ...]
    """By arm, in the order of the second plan, then those that only the first has."""
    pairs: tuple[Pair, ...]
    """Dropped runs and the added ones that take their places."""
    moves: tuple[Move, ...]
    """What differs in the pairs, the setting that moves most runs first."""


def difference(one: Plan, other: Plan) -> Difference:
    """Compare two plans.

    Args:
        one: the plan before.
        other: the plan after.
    """
    before = {run.run_id: run for run in one.runs}
    after = {run.run_id: run for run in other.runs}
    added = tuple(run for run in other.runs if run.run_id not in before)
    dropped = tuple(run for run in one.runs if run.run_id not in after)
    kept = tuple(run for run in other.runs if run.run_id in before)
    pairs = paired(
        Side(runs=dropped, recipes=Recipes(one.runs)), Side(runs=added, recipes=Recipes(other.runs))
    )
    return Difference(
        added=added,
        dropped=dropped,
        kept=kept,
        kept_before=tally(before[run.run_id] for run in kept),
        total=_row("all", added, dropped, kept),
        stages=tuple(
            _row(stage.value, *(_of_stage(runs, stage) for runs in (added, dropped, kept)))
            for stage in Stage
            if any(run.stage is stage for run in (*added, *dropped, *kept))
        ),
        arms=_arms(one, other),
        pairs=pairs,
        moves=_moves(pairs),
    )


def tally(runs: Iterable[PlannedRun]) -> Tally:
    """Count runs and add up what they take."""
    costs = [run.cost for run in runs]
    return Tally(
        runs=len(costs),
        tokens=sum(cost.tokens for cost in costs),
        device_hours=sum(cost.device_hours for cost in costs),
    )


def _row(
    name: str,
    added: Iterable[PlannedRun],
    dropped: Iterable[PlannedRun],
    kept: Iterable[PlannedRun],
) -> Row:
    return Row(name=name, added=tally(added), dropped=tally(dropped), kept=tally(kept))


def _of_stage(runs: Iterable[PlannedRun], stage: Stage) -> list[PlannedRun]:
    return [run for run in runs if run.stage is stage]


def _arms(one: Plan, other: Plan) -> tuple[Row, ...]:
    before, after = ({run.run_id: run for run in plan.runs} for plan in (one, other))
    names = dict.fromkeys(arm.name for plan in (other, one) for arm in plan.arms)
    rows: list[Row] = []
    for name in names:
        new, old = ([run for run in plan.runs if name in run.arms] for plan in (other, one))
        kept = {run.run_id: after[run.run_id] for run in (*new, *old) if run.run_id in after}
        rows.append(
            _row(
                name,
                [run for run in new if run.run_id not in before],
                [run for run in old if run.run_id not in after],
                [run for rid, run in kept.items() if rid in before],
            )
        )
    return tuple(rows)


def _moves(pairs: Iterable[Pair]) -> tuple[Move, ...]:
    moves: dict[Contrast, list[PlannedRun]] = {}
    for pair in pairs:
        for contrast in pair.contrasts:
            moves.setdefault(contrast, []).append(pair.other)
    ranked = sorted(moves.items(), key=lambda move: -len(move[1]))  # stable
    return tuple(Move(contrast=contrast, runs=tuple(runs)) for contrast, runs in ranked)
