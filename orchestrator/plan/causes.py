"""Why attempts fail, and what a launch answers to each cause. Pure data and arithmetic.

A retry may change where and how a run executes, never what is computed: the answers touch nodes,
waiting times, host memory and the micro-batch; micro-batch times accumulation stays what it was.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType


class Cause(StrEnum):
    """Why an attempt ended without a result."""

    STOPPED = "stopped"
    """Asked to stop; it left after a checkpoint."""
    KILLED = "killed"
    """Its process vanished: a signal, the kernel's memory killer, a reboot."""
    PREEMPTED = "preempted"
    """The scheduler took its place for more urgent work."""
    TIME_LIMIT = "time_limit"
    """Its job's time was up."""
    NODE_FAILURE = "node_failure"
    """A machine or device under it failed."""
    NETWORK = "network"
    """Processes or services could not reach each other."""
    DISK_FULL = "disk_full"
    """No space or quota left."""
    OUT_OF_MEMORY = "out_of_memory"
    """Host or device memory ran out; which of them is not known."""
    GPU_MEMORY = "gpu_out_of_memory"
    """Device memory ran out."""
    HOST_MEMORY = "host_out_of_memory"
    """Memory of the machine, or its share of the job, ran out."""
    LEASE_HELD = "lease_held"
    """Another process is writing this run."""
    DATA = "data_error"
    """A data set is missing or damaged."""
    CONFIG = "config_error"
    """A setting makes no sense, or the stage's function is not there."""
    INPUT = "input_error"
    """A record or a parent's result is missing or damaged."""
    DIVERGED = "diverged"
    """The loss is no longer a number."""
    CANCELLED = "cancelled"
    """A person cancelled its job."""
    BUG = "code_error"
    """An error of the program; the log has its traceback."""
    LOST = "lost"
    """The scheduler never took its job, or no longer knows it."""
    NOT_READY = "not_ready"
    """A run that it needs was not done when it started."""
    DAMAGED = "damaged"
    """The run's own folder cannot be trusted; a person has to look."""
    UNKNOWN = "unknown"
    """Nothing tells why."""


class Remedy(StrEnum):
    """What a launch does about a failed attempt by itself."""

    REQUEUE = "requeue"
    """Go on from the newest checkpoint."""
    BACK_OFF = "back_off"
    """Wait, longer each time, then go on."""
    AVOID_NODE = "avoid_node"
    """Go on elsewhere."""
    HALVE_MICRO_BATCH = "halve_micro_batch"
    """Halve the micro-batch, double the accumulation, go on."""
    MORE_MEMORY = "more_memory"
    """Ask for more host memory, go on."""
    STOP = "stop"
    """Do nothing more; say why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What is done about one cause, and how often."""

    remedy: Remedy
    """What is done."""
    budget: int
    """Ends of this cause since the run last got further that are answered. 0 with `stop`."""
    wait_seconds: float = 0.0
    """Wait before the first answer, doubled for each one after it. At least 0."""
    mend: str
    """What a person can do once the budget is spent."""


LONGEST_WAIT_SECONDS = 900.0
"""No answer waits longer. An assumption: switches and file servers are back within minutes."""

MOST_ENDS = 20
"""Ends of any cause since the run last got further after which nothing is tried. An assumption."""

MEMORY_FACTOR = 1.5
"""Host memory of the next attempt over that of the one that ran out. Other tools use 1.5 to 2."""


_ADDING_UP = frozenset({Remedy.HALVE_MICRO_BATCH, Remedy.MORE_MEMORY})
"""Remedies that go further each time, so that getting further must not renew their budget."""


def _stop(mend: str) -> Answer:
    return Answer(remedy=Remedy.STOP, budget=0, mend=mend)


# Budgets and waits are assumptions: interruptions are cheap and frequent, errors of a program come
# back as they were.
ANSWERS: Mapping[Cause, Answer] = MappingProxyType(
    {
        Cause.STOPPED: Answer(
            remedy=Remedy.REQUEUE, budget=2, mend="find out who stops it, then launch again"
        ),
        Cause.KILLED: Answer(
            remedy=Remedy.REQUEUE, budget=1, mend="look for the memory killer on its machine"
        ),
        Cause.PREEMPTED: Answer(
            remedy=Remedy.REQUEUE, budget=10, mend="use a partition or QOS that is not preempted"
        ),
        Cause.TIME_LIMIT: Answer(
            remedy=Remedy.REQUEUE,
            budget=1,
            mend="raise the time limit: it is too short to get further",
        ),
        Cause.NODE_FAILURE: Answer(
            remedy=Remedy.AVOID_NODE, budget=3, mend="tell the administrators which nodes failed"
        ),
        Cause.NETWORK: Answer(
            remedy=Remedy.BACK_OFF,
            budget=3,
            wait_seconds=60.0,
            mend="check the network of its nodes",
        ),
        Cause.LEASE_HELD: Answer(
            remedy=Remedy.BACK_OFF, budget=2, wait_seconds=300.0, mend="end the other process first"
        ),
        Cause.GPU_MEMORY: Answer(
            remedy=Remedy.HALVE_MICRO_BATCH, budget=4, mend="use more or larger GPUs"
        ),
        Cause.HOST_MEMORY: Answer(
            remedy=Remedy.MORE_MEMORY,
            budget=2,
            mend="give the job more memory, or fewer data workers",
        ),
        Cause.LOST: Answer(
            remedy=Remedy.REQUEUE, budget=5, mend="ask the administrators why jobs get lost"
        ),
        Cause.NOT_READY: Answer(
            remedy=Remedy.REQUEUE, budget=5, mend="see why the runs that it needs are not done"
        ),
        Cause.OUT_OF_MEMORY: _stop("see in the log which memory ran out, then give more of it"),
        Cause.DISK_FULL: _stop("free some space or quota, then launch again"),
        Cause.DATA: _stop("mend the data set, then launch with --retry"),
        Cause.CONFIG: _stop("mend the setting, then launch with --retry"),
        Cause.INPUT: _stop("mend what the run reads, then launch with --retry"),
        Cause.DIVERGED: _stop("it diverges again with the same seed: count it as a result"),
        Cause.CANCELLED: _stop("launch with --retry if it is wanted after all"),
        Cause.BUG: _stop("mend the program, then launch with --retry"),
        Cause.DAMAGED: _stop("look into the run's folder"),
        Cause.UNKNOWN: _stop("read the log, then launch with --retry"),
    }
)
"""One answer for each cause."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How one attempt of a run ended."""

    cause: Cause
    """Why."""
    progressed: bool
    """Whether it got further than every attempt before it."""
    nodes: tuple[str, ...] = ()
    """Machines that failed under it, if they are known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What to do next about a run that ended without a result."""

    remedy: Remedy
    """What to do."""
    reason: str
    """Why, for people."""
    wait_seconds: float = 0.0
    """How long to wait first."""
    avoid: tuple[str, ...] = ()
    """Machines not to use."""
    halvings: int = 0
    """How often the declared micro-batch is halved, and the accumulation doubled."""
    memory_factor: float = 1.0
    """Host memory to ask for, over what was declared."""


def next_step(history: Sequence[Ending], forgiven: int = 0) -> Step:
    """Say what to do after the last of a run's attempts, all of which ended without a result.

    Ends before the one that last got further count against no budget, save those of memory: their
    remedies add up. What was learned from any end (nodes, micro-batch, memory) stays.

    Args:
        history: the ends of its attempts, oldest first; at least one.
        forgiven: how many of the oldest ends a person has forgiven; they count against no budget.
    """
    counted = history[forgiven:]
    if not counted:
        return _with_lessons(history, Remedy.REQUEUE, "a person asked to go on")
    last = counted[-1]
    recent = _since_progress(counted)
    answer = ANSWERS[last.cause]
    alike = _count(counted if answer.remedy in _ADDING_UP else recent, last.cause)
    remedy, reason = answer.remedy, _why(last.cause, alike, answer.budget)
    if answer.remedy is Remedy.STOP:
        reason = answer.mend
    elif alike > answer.budget:
        remedy, reason = Remedy.STOP, f"{_times(alike)}, more than is answered: {answer.mend}"
    elif len(recent) > MOST_ENDS:
        remedy = Remedy.STOP
        reason = f"{len(recent)} attempts without getting further: {answer.mend}"
    doublings = max(0, alike - 1)
    wait = min(LONGEST_WAIT_SECONDS, answer.wait_seconds * 2**doublings)
    return _with_lessons(history, remedy, reason, wait)


def _with_lessons(
    history: Sequence[Ending], remedy: Remedy, reason: str, wait_seconds: float = 0.0
) -> Step:
    """Return a step with everything that earlier ends have taught."""
    return Step(
        remedy=remedy,
        reason=reason,
        wait_seconds=wait_seconds,
        avoid=tuple(dict.fromkeys(_failed_nodes(history))),
        halvings=_count(history, Cause.GPU_MEMORY),
        memory_factor=MEMORY_FACTOR ** _count(history, Cause.HOST_MEMORY),
    )


def divided(micro_batch: int, accumulation: int, halvings: int) -> tuple[int, int] | None:
    """Return micro-batch and accumulation after some halvings; None where it does not divide.

    Their product, which is what the optimizer sees, stays the same.
    """
    parts = 2**halvings
    return None if micro_batch % parts else (micro_batch // parts, accumulation * parts)


def _since_progress(history: Sequence[Ending]) -> Sequence[Ending]:
    """Return the ends after the last attempt that got further."""
    for place in range(len(history) - 1, -1, -1):
        if history[place].progressed:
            return history[place + 1 :]
    return history


def _failed_nodes(history: Sequence[Ending]) -> list[str]:
    return [n for ending in history if ending.cause is Cause.NODE_FAILURE for n in ending.nodes]


def _count(history: Sequence[Ending], cause: Cause) -> int:
    return sum(ending.cause is cause for ending in history)


def _why(cause: Cause, alike: int, budget: int) -> str:
    if not alike:
        return f"{cause.value}, but it got further than before"
    return f"{cause.value} {_times(alike)}, of {budget} that are answered"


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"
