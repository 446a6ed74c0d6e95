"""What `sweep launch` says when it ends, and what it would do."""

import shlex
import sys
from collections import Counter

import typer

from orchestrator.cli.quantities import duration
from orchestrator.launch.loop import Outcome
from orchestrator.launch.states import log_of
from orchestrator.plan.actions import Action, Verb
from orchestrator.plan.observed import State
from orchestrator.plan.plan import Plan
from orchestrator.store.layout import StudyFolder

SOME_FAILED = 3
"""Exit code when runs failed, or could not start because others did."""

INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells have it."""


def conclude(plan: Plan, folder: StudyFolder, outcome: Outcome) -> None:
    """Say how it ended, and exit with the code that says the same."""
    states = Counter(seen.state for seen in outcome.observed.values())
    print(
        f"{plan.study}: {states[State.DONE]} of {len(plan.runs)} runs are done, "
        f"{outcome.finished} of them now, in {duration(outcome.seconds)}; {folder.path}"
    )
    if outcome.live:
        again = shlex.join(["sweep", *sys.argv[1:]])
        print(f"{len(outcome.live)} runs go on in the background. To take them up again: {again}")
    for action in outcome.blocked:
        if action.blocker == action.run_id:
            log = log_of(folder.run(action.run_id))
            print(f"failed: {action.run_id}: {action.reason}" + (f"\n  log: {log}" if log else ""))
    held = sum(action.blocker != action.run_id for action in outcome.blocked)
    if held:
        print(f"{held} runs wait for them")
    if outcome.interrupted:
        raise typer.Exit(INTERRUPTED)
    if outcome.halted:
        print(f"nothing more was started: {outcome.halted}")
    if outcome.blocked or outcome.halted:
        raise typer.Exit(SOME_FAILED)


def print_actions(plan: Plan, actions: tuple[Action, ...]) -> None:
    """Print each action with its reason, then how many there are of each kind."""
    titles = {run.run_id: f"{run.stage.value}: {run.title}" for run in plan.runs}
    for action in actions:
        print(f"{action.verb.value:<7} {action.run_id}  {titles[action.run_id]}  ({action.reason})")
    counts = Counter(action.verb for action in actions)
    print(", ".join(f"{counts[verb]} {verb.value}" for verb in Verb if counts[verb]))
