"""Put runs of one shape into arrays, each waiting for no more than it must. Pure.

Slurm has two ways to wait that serve here. `aftercorr` lets the task with number i of one array
wait for the task i of another, so that a thousand children of a thousand parents are one array.
`afterok` lets a whole array wait for some tasks.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from orchestrator.launch.slurm.ids import JobTask
from orchestrator.launch.slurm.shape import ClusterShape


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """A run to be submitted."""

    run_id: str
    """The run."""
    shape: ClusterShape
    """What it asks for."""
    after: tuple[str, ...] = ()
    """Runs under way that must be done before it starts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """One array to be submitted."""

    shape: ClusterShape
    """What each of its jobs asks for."""
    tasks: tuple[tuple[int, str], ...]
    """Number in the array, and run."""
    dependency: str | None
    """What it waits for, in Slurm's words; None for nothing."""


def in_waves(
    asks: Sequence[Ask],
    placed: Mapping[str, JobTask],
    max_array_size: int,
    submit: Callable[[Batch], Mapping[str, JobTask] | None],
) -> None:
    """Submit runs whose parents' jobs are known, then those that wait for them, and so on.

    Args:
        asks: most urgent first.
        placed: the jobs of runs under way.
        max_array_size: one more than the largest number of a task.
        submit: takes an array and returns its jobs, those that came to be; None to stop.
    """
    known, left = dict(placed), list(asks)
    while True:
        ready = [ask for ask in left if all(name in known for name in ask.after)]
        left = [ask for ask in left if any(name not in known for name in ask.after)]
        if not ready:
            return  # what is left waits for jobs that are not known
        for batch in next_batches(ready, known, max_array_size):
            jobs = submit(batch)
            if jobs is None:
                return
            known.update(jobs)


def next_batches(
    asks: Sequence[Ask], placed: Mapping[str, JobTask], max_array_size: int
) -> tuple[Batch, ...]:
    """Return arrays for all asks whose parents' jobs are known, most urgent first.

    Args:
        asks: most urgent first.
        placed: the jobs of runs under way; all that the asks wait for.
        max_array_size: one more than the largest number of a task.
    """
    groups: dict[tuple[ClusterShape, _Wait], list[Ask]] = defaultdict(list)
    for ask in asks:
        parents = tuple(sorted({placed[name] for name in ask.after}, key=_order))
        wait = _Wait(array=parents[0].job_id) if len(parents) == 1 else _Wait(jobs=parents)
        groups[ask.shape, wait].append(ask)
    batches: list[Batch] = []
    for (shape, wait), members in groups.items():
        if wait.array is None:
            batches += _plain(shape, members, _afterok(wait.jobs), max_array_size)
        else:
            batches += _after_one(shape, wait.array, members, placed, max_array_size)
    return tuple(batches)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wait:
    """What members of a group wait for: one task each of an array, or all the same jobs."""

    array: int | None = None
    jobs: tuple[JobTask, ...] = ()


def _after_one(
    shape: ClusterShape,
    array: int,
    members: Sequence[Ask],
    placed: Mapping[str, JobTask],
    max_array_size: int,
) -> list[Batch]:
    """Take the fewest arrays: one for each parent, or one for each first, second, ... child."""
    by_parent: dict[JobTask, list[Ask]] = defaultdict(list)
    for ask in members:
        by_parent[placed[ask.after[0]]].append(ask)
    most = max(len(children) for children in by_parent.values())
    if most >= len(by_parent):
        found: list[Batch] = []
        for parent, children in by_parent.items():
            found += _plain(shape, children, _afterok((parent,)), max_array_size)
        return found
    rows: dict[int, list[tuple[int, str]]] = defaultdict(list)
    seen: Counter[JobTask] = Counter()
    for ask in members:
        parent = placed[ask.after[0]]
        rows[seen[parent]].append((parent.task or 0, ask.run_id))
        seen[parent] += 1
    return [
        Batch(shape=shape, tasks=tuple(sorted(row)), dependency=f"aftercorr:{array}")
        for row in rows.values()
    ]


def _plain(
    shape: ClusterShape, members: Sequence[Ask], dependency: str | None, max_array_size: int
) -> list[Batch]:
    return [
        Batch(
            shape=shape,
            tasks=tuple((i, ask.run_id) for i, ask in enumerate(members[first:][:max_array_size])),
            dependency=dependency,
        )
        for first in range(0, len(members), max_array_size)
    ]


def _afterok(jobs: Iterable[JobTask]) -> str | None:
    named = ":".join(f"{job.job_id}_{job.task}" for job in jobs)
    return f"afterok:{named}" if named else None


def _order(job: JobTask) -> tuple[int, int]:
    return job.job_id, job.task or 0


def index_list(indices: Iterable[int]) -> str:
    """Write task numbers as Slurm takes them: `0-3,7`."""
    parts: list[list[int]] = []
    for index in sorted(indices):
        if parts and index == parts[-1][1] + 1:
            parts[-1][1] = index
        else:
            parts.append([index, index])
    return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in parts)
