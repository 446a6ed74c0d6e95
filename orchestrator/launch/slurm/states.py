"""What each state word of squeue(1) and sacct(1) means for an attempt. Pure.

A word that is not known, or no word at all, is `unknown` and never an end: nothing may be started
on the strength of it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from types import MappingProxyType

from orchestrator.plan.causes import Cause
from orchestrator.plan.observed import State
from orchestrator.spec.slurm_site import Requeue

RETURN_SECONDS = 300.0
"""How long a job that Slurm may start again has to stay away before it is replaced.

Five minutes, as others that lost and doubled jobs have chosen. Also given to a failed node under
any policy: a node that only lost contact goes on computing until it hears from its controller.
"""


class Standing(StrEnum):
    """What a state means for an attempt."""

    LIVE = "live"
    """It waits for its place or has it."""
    ENDED_WELL = "ended_well"
    """Its command ended with 0; whether the run is done, only the run's own marker tells."""
    ENDED = "ended"
    """It ended, and not well."""
    MAY_RETURN = "may_return"
    """It ended, but Slurm may start it again."""
    UNKNOWN = "unknown"
    """It cannot be told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A state word, understood."""

    word: str
    """The word as Slurm wrote it; its full name where that is known."""
    standing: Standing
    """What it means for the attempt."""
    state: State
    """Where the run stands, as far as the scheduler knows."""
    cause: Cause | None = None
    """Why it ended, if the word alone tells; an exit code or a log may know better."""
    held: bool = False
    """Whether it waits until a person releases it."""
    wait_seconds: float = 0.0
    """How long after it was first seen a replacement has to wait. At least 0."""
    cancelled_by: int | None = None
    """User number of who cancelled it, where Slurm says so."""


def read_state(word: str, requeue: Requeue) -> Reading:
    """Understand a state word: long, short, cut off with `+`, or with `by` and a user number.

    Args:
        word: as squeue or sacct wrote it.
        requeue: what Slurm does with jobs like this one.
    """
    name = full_name(word)
    if name is None:
        return Reading(word=word.strip(), standing=Standing.UNKNOWN, state=State.UNKNOWN)
    reading = _RETURNING.get(name) if requeue is Requeue.REQUEUE else None
    return replace(reading or _MEANINGS[name], cancelled_by=_canceller(word))


def full_name(word: str) -> str | None:
    """Return the full name of a state, or None if the word is none or could be several."""
    found = _WORD.match(word.strip().upper())
    if found is None:
        return None
    name, cut = found["name"], found["cut"]
    if cut:
        fitting = [known for known in _MEANINGS if known.startswith(name)]
        return fitting[0] if len(fitting) == 1 and len(name) >= _SHORTEST_CUT else None
    name = _SHORT.get(name, name)
    return name if name in _MEANINGS else None


_WORD = re.compile(r"(?P<name>[A-Z_]+)(?P<cut>\+)?(?: BY (?P<uid>\d+))?$")
_SHORTEST_CUT = 7
"""sacct's narrowest sensible column leaves this many letters before its `+`. An assumption."""


def _canceller(word: str) -> int | None:
    found = _WORD.match(word.strip().upper())
    return int(found["uid"]) if found and found["uid"] else None


def _live(state: State, *, held: bool = False) -> Reading:
    return Reading(word="", standing=Standing.LIVE, state=state, held=held)


def _ended(cause: Cause | None, wait_seconds: float = 0.0) -> Reading:
    return Reading(
        word="",
        standing=Standing.ENDED,
        state=State.FAILED,
        cause=cause,
        wait_seconds=wait_seconds,
    )


def _may_return(cause: Cause | None) -> Reading:
    return Reading(
        word="",
        standing=Standing.MAY_RETURN,
        state=State.UNKNOWN,
        cause=cause,
        wait_seconds=RETURN_SECONDS,
    )


def _named(meanings: Mapping[str, Reading]) -> Mapping[str, Reading]:
    return MappingProxyType({name: replace(m, word=name) for name, m in meanings.items()})


# The words of squeue(1) and sacct(1) of Slurm 22.05 to 25.05.
_MEANINGS = _named(
    {
        "BOOT_FAIL": _ended(Cause.NODE_FAILURE, RETURN_SECONDS),
        "CANCELLED": _ended(Cause.CANCELLED),
        "COMPLETED": Reading(word="", standing=Standing.ENDED_WELL, state=State.DONE),
        "COMPLETING": _live(State.RUNNING),
        "CONFIGURING": _live(State.QUEUED),
        "DEADLINE": _ended(Cause.TIME_LIMIT),
        "EXPEDITING": _live(State.QUEUED),
        "FAILED": _ended(None),
        "LAUNCH_FAILED": _may_return(Cause.NODE_FAILURE),
        "NODE_FAIL": _ended(Cause.NODE_FAILURE, RETURN_SECONDS),
        "OUT_OF_MEMORY": _ended(Cause.HOST_MEMORY),
        "PENDING": _live(State.QUEUED),
        "POWER_UP_NODE": _live(State.QUEUED),
        "PREEMPTED": _ended(Cause.PREEMPTED),
        "RECONFIG_FAIL": _may_return(Cause.NODE_FAILURE),
        "REQUEUED": _live(State.QUEUED),
        "REQUEUE_FED": _live(State.QUEUED),
        "REQUEUE_HOLD": _live(State.QUEUED, held=True),
        "RESIZING": _live(State.RUNNING),
        "RESV_DEL_HOLD": _live(State.QUEUED, held=True),
        # A federation keeps the job on another cluster, which has not been asked.
        "REVOKED": Reading(word="", standing=Standing.UNKNOWN, state=State.UNKNOWN),
        "RUNNING": _live(State.RUNNING),
        "SIGNALING": _live(State.RUNNING),
        "SPECIAL_EXIT": _live(State.QUEUED, held=True),
        "STAGE_OUT": _live(State.RUNNING),
        "STOPPED": _live(State.RUNNING),
        "SUSPENDED": _live(State.RUNNING),
        "TIMEOUT": _ended(Cause.TIME_LIMIT),
        # The controller is still telling the database; which state comes of it is not said.
        "UPDATE_DB": Reading(word="", standing=Standing.UNKNOWN, state=State.UNKNOWN),
    }
)

_RETURNING = _named(
    {
        "BOOT_FAIL": _may_return(Cause.NODE_FAILURE),
        "NODE_FAIL": _may_return(Cause.NODE_FAILURE),
        "PREEMPTED": _may_return(Cause.PREEMPTED),
    }
)
"""Ends after which a job submitted with `--requeue` is started again by Slurm."""

_SHORT = MappingProxyType(
    {
        "BF": "BOOT_FAIL",
        "CA": "CANCELLED",
        "CD": "COMPLETED",
        "CF": "CONFIGURING",
        "CG": "COMPLETING",
        "DL": "DEADLINE",
        "F": "FAILED",
        "LF": "LAUNCH_FAILED",
        "NF": "NODE_FAIL",
        "OOM": "OUT_OF_MEMORY",
        "PD": "PENDING",
        "PO": "POWER_UP_NODE",
        "PR": "PREEMPTED",
        "R": "RUNNING",
        "RD": "RESV_DEL_HOLD",
        "RF": "REQUEUE_FED",
        "RH": "REQUEUE_HOLD",
        "RQ": "REQUEUED",
        "RS": "RESIZING",
        "RV": "REVOKED",
        "S": "SUSPENDED",
        "SE": "SPECIAL_EXIT",
        "SI": "SIGNALING",
        "SO": "STAGE_OUT",
        "ST": "STOPPED",
        "TO": "TIMEOUT",
        "UM": "UPDATE_DB",
    }
)
"""Short forms, as squeue's `%t` writes them."""
