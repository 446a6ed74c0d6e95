"""What a launch may do. Pure."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a launch may do."""

    slots: int | None
    """Runs at once; None for no limit of ours."""
    retry: bool = False
    """Whether runs that failed for a reason of their own in an earlier launch are tried again."""
    stop: bool = False
    """Whether running runs are asked to checkpoint and leave."""
    ahead: bool = False
    """Whether a run may be submitted while jobs that it waits for are under way."""
    attended: bool = True
    """Whether each launch is a person's word to go on with what the surroundings interrupted.

    Rounds over a cluster are not: they come by themselves, so budgets reach over all of them.
    """
    now: datetime | None = None
    """The present, against which waits are measured; None to wait for nothing."""
