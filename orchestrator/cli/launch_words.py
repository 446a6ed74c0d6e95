"""What `sweep launch` says when it ends, and what it would do."""

import json
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
from orchestrator.spec.codec import Plain
from orchestrator.store.layout import StudyFolder

SOME_FAILED = 3
"""Exit code when runs failed, or could not start because others did."""

INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells have it."""


def conclude(plan: Plan, folder: StudyFolder, outcome: Outcome, *, as_json: bool) -> None:
    """Say how it ended, for people or as one JSON object; exit with the code that says the same."""
    if as_json:
        typer.echo(json.dumps(outcome_object(plan, folder, outcome)))
    else:
        _tell(plan, folder, outcome)
    if outcome.interrupted:
        raise typer.Exit(INTERRUPTED)
    if outcome.blocked or outcome.halted:
        raise typer.Exit(SOME_FAILED)


def outcome_object(plan: Plan, folder: StudyFolder, outcome: Outcome) -> dict[str, Plain]:
    """Return how a launch ended, with stable keys."""
    states = Counter(seen.state for seen in outcome.observed.values())
    return {
        "study": plan.study,
        "folder": str(folder.path),
        "runs": len(plan.runs),
        "states": {state.value: count for state, count in states.items()},
        "finished": outcome.finished,
        "seconds": outcome.seconds,
        "failed": [a.run_id for a in outcome.blocked if a.blocker == a.run_id],
        "blocked": [a.run_id for a in outcome.blocked if a.blocker != a.run_id],
        "halted": outcome.halted,
        "interrupted": outcome.interrupted,
    }


def _tell(plan: Plan, folder: StudyFolder, outcome: Outcome) -> None:
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
    if outcome.halted and not outcome.interrupted:
        print(f"nothing more was started: {outcome.halted}")


def print_actions(plan: Plan, actions: tuple[Action, ...], *, as_json: bool) -> None:
    """Print each action with its reason, then how many there are of each kind."""
    if as_json:
        for action in actions:
            typer.echo(json.dumps(action_object(action)))
        return
    titles = {run.run_id: f"{run.stage.value}: {run.title}" for run in plan.runs}
    for action in actions:
        print(f"{action.verb.value:<7} {action.run_id}  {titles[action.run_id]}  ({action.reason})")
    counts = Counter(action.verb for action in actions)
    print(", ".join(f"{counts[verb]} {verb.value}" for verb in Verb if counts[verb]))


def action_object(action: Action) -> dict[str, Plain]:
    """Return what would be done about a run, with stable keys."""
    return {
        "run_id": action.run_id,
        "action": action.verb.value,
        "reason": action.reason,
        "blocked_by": action.blocker,
        "after": list(action.after),
    }
