"""How much disk the checkpoints of a study take, under each policy of keeping them. Pure.

Only checkpoints count: data, logs, stored features and answers do not.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from orchestrator.plan.makespan.makespan import Schedule
from orchestrator.plan.makespan.work import Work, children_of
from orchestrator.spec.launch import Keep

CHECKPOINTS_WHILE_RUNNING = 3
"""Of a run that trains: the two that training keeps, and the next one while it is written."""

CHECKPOINTS_TO_REWIND_TO = 2
"""More of one that goes back from bad steps: the newest of these may be too near."""

CHECKPOINT_PARTS = 3
"""Equal parts of a checkpoint with optimizer state: fp32 weights and AdamW's two moments."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Storage:
    """The disk that checkpoints take."""

    keep: Keep
    """The policy."""
    end_bytes: int
    """When everything is done."""
    peak_bytes: int
    """High-water mark on the way."""
    peak_hours: float
    """When it is first reached, since the start of the study."""


def storage(work: Sequence[Work], schedule: Schedule | None, keep: Keep) -> Storage:
    """Return the disk that a study's checkpoints take.

    A run holds `CHECKPOINTS_WHILE_RUNNING`, and those to rewind to, from its first job to its last.
    Then one is left: with optimizer state for a trunk segment, which others may go on from, weights
    alone for another run. What the policy does not keep goes as soon as the last run that reads it
    is done.

    Args:
        work: parents before children.
        schedule: when the runs take place; None for one after the other in the order of `work`.
        keep: the policy.
    """
    spans = _one_after_the_other(work) if schedule is None else _spans(schedule)
    # At one instant what goes is taken off before what comes is added.
    changes = sorted(_changes(work, spans, keep))
    held = peak = 0
    peak_hours = 0.0
    for hours, change in changes:
        held += change
        if held > peak:
            peak, peak_hours = held, hours
    return Storage(keep=keep, end_bytes=held, peak_bytes=peak, peak_hours=peak_hours)


def _changes(
    work: Sequence[Work], spans: Mapping[str, tuple[float, float]], keep: Keep
) -> Iterator[tuple[float, int]]:
    """Give the hours and bytes of every change of the disk's use."""
    children = children_of(work)
    for run, readers in zip(work, children, strict=True):
        if not run.checkpoint_bytes:
            continue
        start, end = spans[run.run_id]
        count = CHECKPOINTS_WHILE_RUNNING + CHECKPOINTS_TO_REWIND_TO * run.rewinds
        running = count * run.checkpoint_bytes
        left = run.checkpoint_bytes if run.is_milestone else _weights(run)
        yield start, running
        yield end, left - running
        read = max((spans[work[reader].run_id][1] for reader in readers), default=end)
        yield read, _kept(run, left, keep) - left


def _kept(run: Work, left: int, keep: Keep) -> int:
    """Return the bytes that stay for good, of those `left` by a run."""
    if keep is Keep.ALL or (keep is Keep.MILESTONES and run.is_milestone):
        return left
    return _weights(run) if run.is_model else 0


def _weights(run: Work) -> int:
    return run.checkpoint_bytes // CHECKPOINT_PARTS


def _one_after_the_other(work: Sequence[Work]) -> dict[str, tuple[float, float]]:
    spans: dict[str, tuple[float, float]] = {}
    now = 0.0
    for run in work:
        spans[run.run_id] = (now, now + run.hours)
        now += run.hours
    return spans


def _spans(schedule: Schedule) -> dict[str, tuple[float, float]]:
    """Return when each run's first job starts and its last one ends."""
    spans: dict[str, tuple[float, float]] = {}
    for job in schedule.placements:
        start, _ = spans.get(job.run_id, (job.start_hours, job.end_hours))
        spans[job.run_id] = (start, job.end_hours)
    return spans
