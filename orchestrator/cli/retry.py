"""`sweep retry`."""

from pathlib import Path

from orchestrator.cli.steering import (
    Arms,
    AsJson,
    Asked,
    DryRun,
    Overrides,
    Results,
    Runs,
    States,
    Study,
    give,
    selection_of,
)
from orchestrator.launch.steering import Order


def retry(  # noqa: PLR0913  (each is an option of the command)
    study: Study,
    runs: Runs = None,
    *,
    arms: Arms = None,
    states: States = None,
    overrides: Overrides = None,
    results: Results = Path("results"),
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Go on with runs, whatever happened to them before: the next launch tries them again.

    Example: sweep retry sweeps/demo.yaml --state failed
    """
    asked = Asked(
        study=study,
        selection=selection_of(runs, arms, states),
        overrides=tuple(overrides or ()),
        results=results,
        dry_run=dry_run,
        as_json=as_json,
    )
    give(Order.RETRY, asked)
