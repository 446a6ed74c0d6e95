"""The plan as CSV: one line per run, every column in every line, empty where a run has no value."""

import csv
import io
from dataclasses import fields

from orchestrator.errors import PlanError
from orchestrator.plan.plan import Cost, Plan, PlannedRun
from orchestrator.spec.codec import Scalar

SEPARATOR = "|"
"""Between the arms and between the needs of a run."""


def plan_csv(plan: Plan) -> str:
    """Return a plan as CSV, with a header line.

    The columns are `run_id`, `stage`, `arms`, `needs`, the axes as in the results table, any other
    axis by name, and the costs. Runs come in the plan's order.

    Raises:
        PlanError: if the name of an arm holds the separator.
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, columns(plan), restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(_line(run) for run in plan.runs)
    return text.getvalue()


def columns(plan: Plan) -> tuple[str, ...]:
    """Return the columns of a plan's CSV, in order."""
    others = {axis.name for run in plan.runs for axis in run.axes} - set(plan.columns)
    costs = (field.name for field in fields(Cost))
    return ("run_id", "stage", "arms", "needs", *plan.columns, *sorted(others), *costs)


def _line(run: PlannedRun) -> dict[str, Scalar]:
    for arm in run.arms:
        if SEPARATOR in arm:
            raise PlanError(
                f"the arm's name {arm!r} holds a {SEPARATOR}, which separates arms in the CSV",
                where=f"arms.{arm}",
                mend="give the arm another name, or read the plan with --json",
            )
    return {
        "run_id": run.run_id,
        "stage": run.stage.value,
        "arms": SEPARATOR.join(run.arms),
        "needs": SEPARATOR.join(run.needs),
        **{axis.name: axis.value for axis in run.axes},
        **{field.name: getattr(run.cost, field.name) for field in fields(Cost)},
    }
