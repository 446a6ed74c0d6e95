"""The plan as JSON: one object per run, for scripts and for the report."""

from orchestrator.plan.lineage import Totals, from_scratch
from orchestrator.plan.plan import Plan, PlannedRun
from orchestrator.spec.codec import Plain, encode
from orchestrator.store.files import write_json
from orchestrator.store.layout import StudyFolder


def run_objects(plan: Plan) -> list[dict[str, Plain]]:
    """Return a plan's runs as flat objects with the names of the results table."""
    totals = from_scratch(plan.runs)
    return [_run_object(run, totals.get(run.run_id)) for run in plan.runs]


def write_plan(folder: StudyFolder, plan: Plan) -> None:
    """Write `plan.json` into the study's folder."""
    stages = sorted({run.stage for run in plan.runs}, key=lambda stage: stage.value)
    runs: list[Plain] = list(run_objects(plan))
    write_json(
        folder.plan_json,
        {
            "study": plan.study,
            "about": plan.about,
            "feeds": {feed.name: list(feed.arms) for feed in plan.feeds},
            "saving": encode(plan.saving),
            "throughput": plan.throughput,
            "totals": {
                stage.value: {
                    "runs": sum(run.stage is stage for run in plan.runs),
                    "tokens": sum(run.cost.tokens for run in plan.runs if run.stage is stage),
                    "flops": sum(run.cost.flops for run in plan.runs if run.stage is stage),
                    "device_hours": sum(
                        run.cost.device_hours for run in plan.runs if run.stage is stage
                    ),
                }
                for stage in stages
            },
            "runs": runs,
        },
    )


def _run_object(run: PlannedRun, totals: Totals | None) -> dict[str, Plain]:
    cost = encode(run.cost)
    assert isinstance(cost, dict), "a dataclass encodes to a mapping"
    trained: Plain = encode(totals) if totals else None
    return {
        "run_id": run.run_id,
        "stage": run.stage.value,
        "title": run.title,
        "arms": list(run.arms),
        "needs": list(run.needs),
        **{axis.name: axis.value for axis in run.axes},
        **cost,
        "from_scratch": trained,
    }
