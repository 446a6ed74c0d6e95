"""A plan for people: what runs, what is shared, what it costs, how long it takes."""

from collections.abc import Callable, Iterable, Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from orchestrator.cli.quantities import amount, count, hours, size
from orchestrator.cli.terminal import whole
from orchestrator.plan.lineage import trained_once
from orchestrator.plan.makespan.failures import Distribution, Spread
from orchestrator.plan.makespan.makespan import CriticalStep
from orchestrator.plan.outlook import Outlook
from orchestrator.plan.plan import Cost, Plan, PlannedRun
from orchestrator.spec.run import Stage

_RUNS_SHOWN = 12
"""Runs of the critical path that are listed; the rest is counted."""


def show(console: Console, plan: Plan, outlook: Outlook, missing: Sequence[str], done: int) -> None:
    """Print a plan.

    Args:
        console: where to.
        plan: what is planned.
        outlook: how it would go.
        missing: data that is not there yet, a line each.
        done: runs that are done already.
    """
    console.print(f"[bold]{plan.study}[/bold]  {plan.about}")
    for table in (_stage_table(plan), _model_table(plan), _arm_table(plan)):
        console.print(whole(table))
    for line in (*_lines(plan, outlook), *_missing_lines(missing), f"{done:,} runs are done."):
        console.print(line, highlight=False)


def _stage_table(plan: Plan) -> Table:
    table = _table("by stage", "stage")
    for name in ("runs", "tokens", "image tokens", "FLOP", "device hours", "disk"):
        table.add_column(name, justify="right")
    for stage in Stage:
        costs = [run.cost for run in plan.runs if run.stage is stage]
        if costs:
            table.add_row(stage.value, *_sums(costs))
    table.add_section()
    table.add_row("all", *_sums([run.cost for run in plan.runs]))
    return table


def _sums(costs: Sequence[Cost]) -> tuple[str, ...]:
    return (
        f"{len(costs):,}",
        count(sum(cost.tokens for cost in costs)),
        count(sum(cost.image_tokens for cost in costs)),
        f"{sum(cost.flops for cost in costs):.3g}",
        amount(sum(cost.device_hours for cost in costs)),
        size(sum(cost.checkpoint_bytes for cost in costs)),
    )


def _model_table(plan: Plan) -> Table:
    table = _table("by model, the largest run of each", "model")
    for name in ("params", "with embeddings", "runs", "device hours", "devices", "memory each"):
        table.add_column(name, justify="right")
    runs: dict[str, list[PlannedRun]] = {}
    for run in plan.runs:
        for axis in run.axes:
            if axis.name == "model":
                runs.setdefault(str(axis.value), []).append(run)
    for name, own in runs.items():
        costs = [run.cost for run in own]
        table.add_row(
            name,
            count(max(cost.params for cost in costs)),
            count(max(cost.params_total for cost in costs)),
            f"{len(own):,}",
            amount(sum(cost.device_hours for cost in costs)),
            f"{max(cost.devices for cost in costs):,}",
            f"{max(cost.memory_gib for cost in costs):.3g} GiB",
        )
    return table


def _arm_table(plan: Plan) -> Table:
    table = _table("by arm", "arm")
    for name in ("models", "runs", "device hours"):
        table.add_column(name, justify="right")
    table.add_column("feeds")
    groups = dict.fromkeys(arm.group for arm in plan.arms)
    for group in groups:
        names = [arm.name for arm in plan.arms if arm.group == group]
        for arm in plan.arms:
            if arm.group == group:
                table.add_row(arm.name, *_arm_sums(plan, {arm.name}), ", ".join(arm.feeds))
        label = group or ("all" if len(groups) == 1 else "the study's own")
        table.add_row(f"[bold]{label}[/bold]", *_arm_sums(plan, set(names)), "", end_section=True)
    if len(groups) > 1:
        everything = {arm.name for arm in plan.arms}
        table.add_row("[bold]all[/bold]", *_arm_sums(plan, everything), "")
    return table


def _arm_sums(plan: Plan, arms: set[str]) -> tuple[str, ...]:
    """Count models and runs of some arms, each once."""
    runs = [run for run in plan.runs if arms & set(run.arms)]
    models = sum(any(cell.arm in arms for cell in run.cells) for run in plan.runs)
    hours_taken = sum(run.cost.device_hours for run in runs)
    return (f"{models:,}", f"{len(runs):,}", amount(hours_taken))


def _lines(plan: Plan, outlook: Outlook) -> Iterable[str]:
    once, saving = trained_once(plan.runs), plan.saving
    share = saving.tokens / (saving.tokens + once.tokens) if saving.tokens else 0.0
    schedule = outlook.schedule
    yield (
        f"Sharing saves {count(saving.tokens)} training tokens ({share:.0%}) and "
        f"{amount(saving.device_hours)} device hours against training every model on its own."
    )
    yield f"Speed is {plan.throughput}."
    yield from (f"  {line}" for line in outlook.calibration)
    if outlook.price is not None:
        yield f"Price: {outlook.price:,.0f} {outlook.currency} for all device hours."
    yield (
        f"Time: {hours(schedule.makespan_hours)} on {outlook.devices:,} devices, otherwise empty "
        f"and without failures; {schedule.peak_devices:,} are busy at most, "
        f"{schedule.idle_share:.0%} of their time is idle."
    )
    yield from _critical_lines(plan, schedule.critical_path)
    if outlook.failures is not None:
        yield from _failure_lines(outlook.failures)
    kept = (
        f"{s.keep.value} {size(s.end_bytes)} (peak {size(s.peak_bytes)})" for s in outlook.storage
    )
    yield f"Disk by what is kept: {', '.join(kept)}."


def _critical_lines(plan: Plan, path: Sequence[CriticalStep]) -> Iterable[str]:
    titles = {run.run_id: f"{run.stage.value}: {run.title}" for run in plan.runs}
    runs: dict[str, list[CriticalStep]] = {}
    for step in path:
        runs.setdefault(step.run_id, []).append(step)
    yield "Critical path: these runs follow each other without a gap, some of them by turns."
    for run_id, steps in list(runs.items())[:_RUNS_SHOWN]:
        length = hours(sum(step.end_hours - step.start_hours for step in steps))
        yield f"  {length:>8}  {titles[run_id]}  (waited for: {steps[0].waited.value})"
    if len(runs) > _RUNS_SHOWN:
        yield f"  and {len(runs) - _RUNS_SHOWN:,} more runs"


def _failure_lines(failures: Distribution) -> Iterable[str]:
    yield f"With failures, over {failures.courses} courses (median, 5th to 95th percentile):"
    yield f"  time {_spread(failures.makespan_hours, hours)}"
    yield f"  lost device hours {_spread(failures.lost_device_hours, amount)}"
    yield f"  interruptions {_spread(failures.interruptions, lambda v: f'{v:,.0f}')}"
    yield f"  effective training time ratio {_spread(failures.ettr, lambda v: f'{v:.3f}')}"


def _missing_lines(missing: Sequence[str]) -> Iterable[str]:
    """Say which data is not there yet."""
    if missing:
        yield f"Missing data: {', '.join(missing)}."


def _spread(spread: Spread, said: Callable[[float], str]) -> str:
    return f"{said(spread.p50)} ({said(spread.p5)} to {said(spread.p95)})"


def _table(title: str, first: str) -> Table:
    table = Table(
        title=title, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1), pad_edge=False
    )
    table.add_column(first, no_wrap=True)
    return table
