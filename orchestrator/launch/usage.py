"""Keep the sums of what finished training runs took, for the costs of the next plan."""

import json
from collections.abc import Iterable
from dataclasses import dataclass

from orchestrator.plan.plan import PlannedRun
from orchestrator.store.files import write_json
from orchestrator.store.layout import StudyFolder
from orchestrator.store.usage import usage_path


@dataclass(frozen=True, slots=True, kw_only=True)
class Timed:
    """A run of this launch that is done."""

    run: PlannedRun
    """The run."""
    seconds: float
    """Device seconds inside the stage's function, over all attempts."""


def add_usage(folder: StudyFolder, timed: Iterable[Timed]) -> None:
    """Add the training runs of a launch to the sums in `usage.json`; begin anew if it is damaged.

    Only the holder of the launch lock may call it.
    """
    trained = [t for t in timed if t.run.cost.steps > 0 and t.seconds > 0]
    if not trained:
        return
    flops, seconds, runs = _sums(folder)
    write_json(
        usage_path(folder),
        {
            "flops": flops + sum(t.run.cost.flops for t in trained),
            "seconds": seconds + sum(t.seconds for t in trained),
            "runs": runs + len(trained),
        },
    )


def _sums(folder: StudyFolder) -> tuple[float, float, int]:
    try:
        usage = json.loads(usage_path(folder).read_text(encoding="utf-8"))
        return float(usage["flops"]), float(usage["seconds"]), int(usage["runs"])
    except (OSError, ValueError, KeyError, TypeError):
        return 0.0, 0.0, 0
