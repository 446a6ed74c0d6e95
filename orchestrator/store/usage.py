"""What finished runs really took, for the costs of the next plan."""

import json
from pathlib import Path

from orchestrator.plan.cost.throughput import Throughput, flat
from orchestrator.store.layout import StudyFolder

USAGE = "usage.json"


def measured_throughput(folder: StudyFolder) -> Throughput | None:
    """Return the throughput of a study's finished training runs; None if there are none yet.

    The launcher keeps the sums in one file, so that planning never reads hundreds of folders.
    A damaged file is no reason not to plan: costs then come from the next source.
    """
    path = usage_path(folder)
    try:
        usage = json.loads(path.read_text(encoding="utf-8"))
        flops, seconds, runs = float(usage["flops"]), float(usage["seconds"]), int(usage["runs"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if flops <= 0 or seconds <= 0:
        return None
    return flat(
        flops / seconds,
        f"measured: {flops / seconds / 1e9:.3g} GFLOP/s per slot over {runs} finished runs",
    )


def usage_path(folder: StudyFolder) -> Path:
    """Return the file that holds the sums."""
    return folder.path / USAGE
