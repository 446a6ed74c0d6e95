"""`sweep plan`: show what a study would run, share and cost. Starts nothing and writes nothing."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from orchestrator.plan.plan import Plan
from orchestrator.spec.run import Stage
from orchestrator.store.plan_file import run_objects
from orchestrator.store.study_file import load_plan


def plan(
    study: Annotated[Path, typer.Argument(metavar="STUDY.yaml", help="the study to plan")],
    overrides: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="change a value")
    ] = None,
    results: Annotated[Path, typer.Option(help="folder of results folders")] = Path("results"),
    as_json: Annotated[bool, typer.Option("--json", help="one JSON object per run")] = False,
) -> None:
    """Show what a study would run, what it shares and what it costs, without running it.

    Example: sweep plan sweeps/demo.yaml --set stages.finetune.epochs=1
    """
    planned = load_plan(study, tuple(overrides or ()), results)
    if as_json:
        for run in run_objects(planned):
            typer.echo(json.dumps(run))
        return
    console = Console()
    console.print(f"[bold]{planned.study}[/bold]  {planned.about}")
    console.print(_stage_table(planned))
    console.print(_arm_table(planned))
    console.print(_saving_line(planned))


def _stage_table(planned: Plan) -> Table:
    table = Table(title="by stage", title_justify="left")
    for name in ("stage", "runs", "tokens", "images", "PFLOP", "device hours", "checkpoints"):
        table.add_column(name, justify="left" if name == "stage" else "right")
    for stage in Stage:
        costs = [run.cost for run in planned.runs if run.stage is stage]
        if costs:
            table.add_row(
                stage.value,
                f"{len(costs):,}",
                f"{sum(cost.tokens for cost in costs):,}",
                f"{sum(cost.image_tokens for cost in costs):,}",
                f"{sum(cost.flops for cost in costs) / 1e15:,.3g}",
                f"{sum(cost.device_hours for cost in costs):,.2f}",
                f"{sum(cost.checkpoint_bytes for cost in costs) / 2**20:,.1f} MiB",
            )
    return table


def _arm_table(planned: Plan) -> Table:
    table = Table(title="by arm", title_justify="left")
    table.add_column("arm")
    table.add_column("models", justify="right")
    table.add_column("runs", justify="right")
    table.add_column("feeds")
    names = dict.fromkeys(arm for run in planned.runs for arm in run.arms)
    for name in names:
        models = sum(any(cell.arm == name for cell in run.cells) for run in planned.runs)
        runs = sum(name in run.arms for run in planned.runs)
        feeds = ", ".join(feed.name for feed in planned.feeds if name in feed.arms)
        table.add_row(name, f"{models:,}", f"{runs:,}", feeds)
    return table


def _saving_line(planned: Plan) -> str:
    done_once = sum(run.cost.tokens for run in planned.runs)
    saving = planned.saving
    share = saving.tokens / (saving.tokens + done_once) if saving.tokens else 0.0
    hours = sum(run.cost.device_hours for run in planned.runs)
    return (
        f"{len(planned.runs):,} runs, {hours:,.2f} device hours ({planned.throughput}).\n"
        f"Sharing saves {saving.tokens:,} training tokens ({share:.0%}) and "
        f"{saving.device_hours:,.2f} device hours against training every model on its own."
    )
