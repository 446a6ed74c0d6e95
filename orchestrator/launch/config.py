"""How a launch runs, as against what it runs. Nothing here enters a `run_id`."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from orchestrator.spec.execution import Execution
from orchestrator.spec.launch import Tracking


class Start(StrEnum):
    """How a local worker comes to life."""

    WARM = "warm"
    """Forked from a process that has imported everything."""
    COLD = "cold"
    """A fresh Python for each run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchConfig:
    """What the person who launches decides."""

    data_root: Path
    """Folder of data collections; absolute."""
    execution: Execution
    """Device, precision, threads of each run."""
    tracking: Tracking = Tracking.OFF
    """Who else is told about the runs."""
    retry: bool = False
    """Whether runs that failed for a reason of their own are tried again."""
    stop: bool = False
    """Whether running runs are asked to leave and nothing is started."""
    once: bool = False
    """Whether to leave after the first round, with the runs under way."""
