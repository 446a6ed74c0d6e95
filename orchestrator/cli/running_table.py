"""Runs under way, a line each: bar, step, loss, speed, time left. Shared by launch and status."""

from collections.abc import Sequence

from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from orchestrator.cli.quantities import count, duration
from orchestrator.launch.watcher import RunningRun


def running_table(running: Sequence[RunningRun]) -> Table:
    """Return the table; runs that have not begun to speak say so."""
    table = Table.grid(padding=(0, 1))
    for item in running:
        progress = item.progress
        loss = f"loss {progress.loss:.3f}" if progress and progress.loss is not None else ""
        table.add_row(
            item.run.run_id,
            ProgressBar(total=1.0, completed=item.share, width=20),
            f"{progress.step:,}/{progress.steps:,}" if progress else "starting",
            loss,
            speed(item),
            f"MFU {progress.mfu:.0%}" if progress and progress.mfu is not None else "",
            "" if item.seconds_left is None else f"{duration(item.seconds_left)} left",
            Text(f"{item.run.stage.value}: {item.run.title}", style="dim", no_wrap=True),
        )
    return table


def speed(item: RunningRun) -> str:
    """Return `12.3k tokens/s`, or steps where a run has no tokens; empty if not known."""
    if item.tokens_per_second is not None:
        return f"{count(item.tokens_per_second)} tokens/s"
    steps = item.progress.steps_per_second if item.progress else None
    return f"{steps:,.1f} steps/s" if steps else ""
