"""The mirror of a study at Weights & Biases: folders that wait to be sent, and sending them.

A run has one name there through all attempts, so its folders are sent in the order in which they
were made, and none while its run goes on.
"""

import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from orchestrator.plan.observed import LIVE, Observed
from orchestrator.plan.plan import Plan
from orchestrator.store.attempts import attempt_numbers
from orchestrator.store.layout import RunFolder, StudyFolder

OFFLINE = "wandb/offline-run-*"
"""Folders that wandb leaves in an attempt's folder where there is no network."""

SENT = "*.wandb.synced"
"""What `wandb sync` leaves beside what it has sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A run with folders that were not sent."""

    run_id: str
    """The run."""
    folders: tuple[Path, ...]
    """In the order in which they were made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """What came of sending a run's folders."""

    run_id: str
    """The run."""
    trouble: str | None
    """Why they were not sent; None if they were."""


def waiting(
    plan: Plan, folder: StudyFolder, observed: Mapping[str, Observed]
) -> tuple[Waiting, ...]:
    """Return the runs with folders that were not sent, in the plan's order.

    Args:
        plan: the runs.
        folder: the study's results.
        observed: where each run stands; what goes on is left for later.
    """
    found: list[Waiting] = []
    for run in plan.runs:
        if observed[run.run_id].state in LIVE:
            continue
        folders = unsent(folder.run(run.run_id))
        if folders:
            found.append(Waiting(run_id=run.run_id, folders=folders))
    return tuple(found)


def unsent(run: RunFolder) -> tuple[Path, ...]:
    """Return a run's folders that were not sent, in the order in which they were made."""
    folders = [
        path
        for number in attempt_numbers(run)
        for path in sorted(run.attempt(number).path.glob(OFFLINE))
    ]
    return tuple(path for path in folders if not any(path.glob(SENT)))


def send(
    runs: Sequence[Waiting],
    *,
    patience: float,
    pause: Callable[[], bool],
    told: Callable[[Sent], None],
    most_failures: int = 3,
) -> bool:
    """Send runs, one after the other, and return whether all that were tried went well.

    Args:
        runs: what is sent.
        patience: seconds that one run may take. Above 0.
        pause: waits until the next one may be sent; returns whether to go on.
        told: is told about each.
        most_failures: runs that fail one after the other before the rest is left for later.
    """
    failures, is_well = 0, True
    for run in runs:
        if failures >= most_failures or not pause():
            return False
        trouble = _send(run, patience)
        failures = 0 if trouble is None else failures + 1
        is_well = is_well and trouble is None
        told(Sent(run_id=run.run_id, trouble=trouble))
    return is_well


def _send(run: Waiting, patience: float) -> str | None:
    """Call `wandb sync`; return why it failed, None if it did not."""
    command = [sys.executable, "-m", "wandb", "sync", "--yes", "-n", "1"]
    try:
        done = subprocess.run(
            [*command, *map(str, run.folders)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=patience,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"no end after {patience:g} s: the server may be out of reach"
    if done.returncode == 0:
        return None
    said = (done.stderr or done.stdout).strip().splitlines()
    return said[-1] if said else f"wandb sync ended with {done.returncode}"
