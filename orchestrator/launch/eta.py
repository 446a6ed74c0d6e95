"""How much longer a launch takes. Pure."""

from collections.abc import Mapping

from orchestrator.launch.usage import Timed
from orchestrator.plan.actions import critical_hours, needed_runs
from orchestrator.plan.observed import Observed
from orchestrator.plan.plan import Plan
from orchestrator.spec.run import Stage

_SECONDS_PER_HOUR = 3600.0


def eta_seconds(
    plan: Plan,
    observed: Mapping[str, Observed],
    shares: Mapping[str, float],
    timed: tuple[Timed, ...],
    slots: int | None,
) -> float:
    """Estimate the seconds until everything needed is done.

    The plan's hours are scaled, stage by stage, by what finished runs of this launch took; the rest
    is shared by the slots, but takes no less than the longest line of runs.

    Args:
        plan: the runs.
        observed: where they stand.
        shares: how much of a running run is done, in [0, 1].
        timed: finished runs of this launch.
        slots: runs at once; None for no limit.
    """
    factors = _factors(timed)
    overall = _factor(timed)
    work = 0.0
    needed = needed_runs(plan, observed)
    for run in plan.runs:
        if run.run_id in needed:
            left = 1.0 - shares.get(run.run_id, 0.0)
            work += run.cost.device_hours * left * factors.get(run.stage, overall)
    line = max(critical_hours(plan, observed).values(), default=0.0) * overall
    hours = max(work / slots, min(line, work)) if slots else line
    return hours * _SECONDS_PER_HOUR


def _factors(timed: tuple[Timed, ...]) -> dict[Stage, float]:
    stages = {t.run.stage for t in timed}
    return {stage: _factor(tuple(t for t in timed if t.run.stage is stage)) for stage in stages}


def _factor(timed: tuple[Timed, ...]) -> float:
    planned = sum(t.run.cost.device_hours for t in timed) * _SECONDS_PER_HOUR
    return sum(t.seconds for t in timed) / planned if planned > 0 else 1.0
