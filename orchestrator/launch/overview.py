"""Where a study under way stands, for displays: gathered from what is observed and what is done."""

from collections.abc import Mapping, Sequence

from orchestrator.launch.eta import eta_seconds
from orchestrator.launch.states import progress_of
from orchestrator.launch.usage import Timed
from orchestrator.launch.watcher import Overview, RunningRun
from orchestrator.plan.observed import LIVE, Observed
from orchestrator.plan.plan import Plan
from orchestrator.store.layout import StudyFolder


def overview_of(
    plan: Plan,
    folder: StudyFolder,
    observed: Mapping[str, Observed],
    *,
    timed: Sequence[Timed] = (),
    seconds: float = 0.0,
    slots: int | None = None,
) -> Overview:
    """Return where everything stands.

    Args:
        plan: the runs.
        folder: the study's results.
        observed: where each run stands.
        timed: runs done in this launch.
        seconds: since the launch began.
        slots: runs at once; None for no limit.
    """
    running = tuple(
        RunningRun(
            run=run,
            state=observed[run.run_id].state,
            progress=progress_of(folder.run(run.run_id)),
        )
        for run in plan.runs
        if observed[run.run_id].state in LIVE
    )
    shares = {r.run.run_id: r.share for r in running}
    return Overview(
        plan=plan,
        observed=observed,
        running=running,
        finished=len(timed),
        seconds=seconds,
        eta_seconds=eta_seconds(plan, observed, shares, tuple(timed), slots),
    )
