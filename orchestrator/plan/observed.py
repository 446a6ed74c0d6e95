"""What is known about one run: its state, how its attempts ended, what a person wants. Pure."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from orchestrator.plan.causes import Cause, Ending


class State(StrEnum):
    """Where a run stands."""

    PLANNED = "planned"
    """Nothing has been started."""
    SUBMITTED = "submitted"
    """Handed over; its process has not spoken yet."""
    QUEUED = "queued"
    """Waits in a cluster's queue."""
    RUNNING = "running"
    """A live process holds its lease."""
    DONE = "done"
    """Its result is there and its marker vouches for it."""
    FAILED = "failed"
    """Its last attempt ended without a result."""
    UNKNOWN = "unknown"
    """It could not be found out."""


LIVE = frozenset({State.SUBMITTED, State.QUEUED, State.RUNNING})
"""States in which a run holds a slot or a place in a queue."""


class Wish(StrEnum):
    """What a person wants of a run, whatever its state."""

    GO = "go"
    """Go on with it; failures before the wish are forgotten."""
    PAUSE = "pause"
    """Start nothing of it for now."""
    CANCEL = "cancel"
    """End it, and start nothing of it again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """What is known about one run."""

    state: State
    """Where it stands."""
    attempts: int = 0
    """Tries so far."""
    cause: Cause | None = None
    """Why the last attempt failed, or why the state is unknown."""
    message: str | None = None
    """The failure in words; of a waiting job, what it waits for."""
    progressed: bool = False
    """Whether the last attempt got further than every one before it."""
    earlier: bool = False
    """Whether the last attempt ended before this launch began."""
    history: tuple[Ending, ...] = ()
    """Ends of its attempts, oldest first."""
    forgiven: int = 0
    """How many of the oldest ends came before a person last asked to go on."""
    ended: datetime | None = None
    """When the last attempt ended; None if there is none, or it has not."""
    wish: Wish | None = None
    """What a person wants of it; None for nothing in particular."""
    on_cluster: bool = False
    """Whether a cluster has, or had, its newest attempt and is not done with it."""
    waitable: bool = False
    """Whether a job of the cluster makes it, so that other jobs can be told to wait for it."""
    stuck: Cause | None = None
    """Why its job can never start by itself; None if it can. `message` has Slurm's words."""
