"""The course of a study, job by job: list scheduling of runs on devices, in simulated time.

Whenever devices come free, the ready run of the highest priority that fits is started (Graham
1969, "Bounds on multiprocessing timing anomalies"). Nothing is held back for a wide run, so
narrower ones may pass it. Pure: what happens to a job comes in as a function.
"""

import heapq
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from orchestrator.plan.makespan.capacity import Capacity, pools_for
from orchestrator.plan.makespan.job import End, Fate, Job, Placement, Wait
from orchestrator.plan.makespan.occupancy import Occupancy
from orchestrator.plan.makespan.work import Work, children_of, hours_below
from orchestrator.spec.checks import check_at_least

RESTART_HOURS = 0.1
"""Assumed time for a further job of a run to start its processes and load the checkpoint."""


class Order(StrEnum):
    """Which of the ready runs goes first. Ties keep the plan's order."""

    LONGEST_LINE = "longest_line"
    """The one with the longest way to the end of the plan."""
    PLAN = "plan"
    """The one that comes first in the plan, as in a queue that was filled at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """How the simulated cluster works.

    Raises:
        ConfigError: if a value lies outside the range stated below.
    """

    order: Order = Order.LONGEST_LINE
    """Which of the ready runs goes first."""
    restart_hours: float = RESTART_HOURS
    """Spent by every further job of a run before its work goes on. At least 0."""

    def __post_init__(self) -> None:
        check_at_least("restart_hours", self.restart_hours, 0)


@dataclass(slots=True)
class _Progress:
    """How far a run is."""

    missing: int
    saved_hours: float = 0.0
    jobs: int = 0
    ready_hours: float = 0.0
    waited: Wait = Wait.NOTHING
    waited_for: int | None = None


_Shape = tuple[int, tuple[int, ...]]
"""Devices and possible pools: two ready runs of one shape fit or do not fit alike."""


class Simulation:
    """One course of a study, from its first job to its last."""

    def __init__(self, work: Sequence[Work], capacity: Capacity, rules: Rules, fate: Fate) -> None:
        """Prepare; nothing has started yet.

        Args:
            work: what is to be done, parents before children.
            capacity: on what.
            rules: how the cluster works.
            fate: says how each job ends.

        Raises:
            PlanError: if a run fits nowhere.
        """
        self._work = work
        self._capacity = capacity
        self._rules = rules
        self._fate = fate
        self._children = children_of(work)
        self._below = hours_below(work, self._children)
        self._shapes = _shapes(work, capacity, rules.restart_hours)
        self._progress = [_Progress(missing=len(set(run.needs))) for run in work]
        self._queues: dict[_Shape, list[tuple[float, int]]] = {s: [] for s in self._shapes}
        self._occupied = [Occupancy(pool) for pool in capacity.pools]
        self._most_devices, self._held = capacity.devices, 0
        self._most_jobs, self._jobs = capacity.max_jobs or len(work), 0
        self._placements: list[Placement] = []
        self._running: dict[int, tuple[int, int, End]] = {}
        self._released: dict[int, int] = {}
        self._released_last: int | None = None
        # (hours, number, run, job that ends then or None if a run may start again)
        self._events: list[tuple[float, int, int, int | None]] = []
        self._number = 0

    def run(self) -> tuple[Placement, ...]:
        """Let everything happen; return all jobs in the order in which they started."""
        for place, progress in enumerate(self._progress):
            if not progress.missing:
                self._make_ready(place, 0.0, Wait.NOTHING, None)
        self._fill(0.0)
        while self._events:
            now = self._events[0][0]
            while self._events and self._events[0][0] <= now:
                _, _, place, job = heapq.heappop(self._events)
                if job is None:
                    own = self._progress[place].waited_for
                    self._make_ready(place, now, Wait.EARLIER_JOB, own)
                else:
                    self._end(job, now)
            self._fill(now)
        return tuple(self._placements)

    def _make_ready(self, place: int, now: float, waited: Wait, waited_for: int | None) -> None:
        progress = self._progress[place]
        progress.ready_hours, progress.waited, progress.waited_for = now, waited, waited_for
        line = self._work[place].hours - progress.saved_hours + self._below[place]
        urgency = -line if self._rules.order is Order.LONGEST_LINE else 0.0
        heapq.heappush(self._queues[self._shapes[place]], (urgency, place))

    def _fill(self, now: float) -> None:
        """Start what fits, the most urgent first."""
        heads = [(queue[0], shape) for shape, queue in self._queues.items() if queue]
        heapq.heapify(heads)
        while heads:
            (_, place), shape = heapq.heappop(heads)
            if not self._start(place, now):
                continue  # and nothing else of this shape fits now
            queue = self._queues[shape]
            heapq.heappop(queue)
            if queue:
                heapq.heappush(heads, (queue[0], shape))

    def _start(self, place: int, now: float) -> bool:
        """Start a job of a run if there is room for it."""
        run = self._work[place]
        if self._held + run.devices > self._most_devices or self._jobs >= self._most_jobs:
            return False
        for index in self._by_preference(place):
            pool = self._capacity.pools[index]
            if self._held + pool.held(run.devices) > self._most_devices:
                continue
            nodes = self._occupied[index].take(run.devices)
            if nodes is not None:
                self._begin(place, index, nodes, now)
                return True
        return False

    def _by_preference(self, place: int) -> Sequence[int]:
        """Order the pools: fewest jobs first, then the shortest limit, to spare longer ones."""
        _, indices = self._shapes[place]
        if len(indices) == 1:
            return indices
        pools, restart = self._capacity.pools, self._rules.restart_hours
        left = self._work[place].hours - self._progress[place].saved_hours
        left += restart if self._progress[place].jobs else 0.0
        return sorted(indices, key=lambda i: (pools[i].jobs(left, restart), pools[i].limit_hours))

    def _begin(self, place: int, index: int, nodes: tuple[int, ...], now: float) -> None:
        run, progress, pool = self._work[place], self._progress[place], self._capacity.pools[index]
        end = self._fate(
            Job(
                run=run,
                devices=pool.held(run.devices),
                nodes=len(nodes),
                saved_hours=progress.saved_hours,
                restart_hours=self._rules.restart_hours if progress.jobs else 0.0,
                limit_hours=pool.limit_hours,
            )
        )
        progress.jobs += 1
        waited, waited_for = progress.waited, progress.waited_for
        if progress.ready_hours < now:
            waited, waited_for = Wait.DEVICES, self._who_made_room(index, now)
        job = len(self._placements)
        self._placements.append(
            Placement(
                run_id=run.run_id,
                job=progress.jobs,
                pool=pool.name,
                nodes=nodes,
                devices=pool.held(run.devices),
                start_hours=now,
                end_hours=now + end.hours,
                waited=waited,
                waited_for=waited_for,
            )
        )
        self._held += self._placements[job].devices
        self._jobs += 1
        self._running[job] = (place, index, end)
        self._schedule(now + end.hours, place, job)

    def _who_made_room(self, index: int, now: float) -> int | None:
        """Return the job that has just ended in this pool, or elsewhere if limits stood against."""
        here = self._released.get(index)
        if here is not None and self._placements[here].end_hours >= now:
            return here
        return self._released_last

    def _end(self, job: int, now: float) -> None:
        place, index, end = self._running.pop(job)
        placement = self._placements[job]
        self._occupied[index].give_back(self._work[place].devices, placement.nodes)
        self._held -= placement.devices
        self._jobs -= 1
        self._released[index] = self._released_last = job
        progress = self._progress[place]
        progress.saved_hours = end.saved_hours
        if end.saved_hours >= self._work[place].hours:
            self._unlock_children(place, job, now)
        elif end.delay_hours > 0:
            progress.waited_for = job
            self._schedule(now + end.delay_hours, place, None)
        else:
            self._make_ready(place, now, Wait.EARLIER_JOB, job)

    def _unlock_children(self, place: int, job: int, now: float) -> None:
        for child in self._children[place]:
            self._progress[child].missing -= 1
            if not self._progress[child].missing:
                self._make_ready(child, now, Wait.PARENT, job)

    def _schedule(self, hours: float, place: int, job: int | None) -> None:
        self._number += 1
        heapq.heappush(self._events, (hours, self._number, place, job))


def _shapes(work: Sequence[Work], capacity: Capacity, restart_hours: float) -> list[_Shape]:
    known: dict[tuple[int, float], tuple[int, ...]] = {}
    for run in work:
        if (run.devices, run.hours) not in known:
            known[run.devices, run.hours] = pools_for(run, capacity, restart_hours)
    return [(run.devices, known[run.devices, run.hours]) for run in work]
