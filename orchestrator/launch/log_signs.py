"""What a sign in a log is: a cause, and how near it stands to the first one. Pure."""

from dataclasses import dataclass
from enum import IntEnum

from orchestrator.plan.causes import Cause


class Weight(IntEnum):
    """How near to the first cause a sign stands; the heaviest sign of all ranks decides."""

    AFTERMATH = 0
    """What other failures bring about: it decides only where there is nothing else."""
    BROKEN_LINK = 1
    """A peer or a service is gone, often because of the peer's own failure."""
    ERROR = 2
    """An error of the program, which may come of a specific one."""
    SPECIFIC = 3
    """It names its cause."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sign:
    """One thing in a log that tells a cause."""

    cause: Cause
    """The cause."""
    weight: Weight
    """How near to the first cause it stands."""
    line: int
    """Where it stands."""
    told: str
    """What it says, in one line."""
