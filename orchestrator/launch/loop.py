"""Keep a study going: observe, decide, apply, wait, until nothing is left to do.

The files are the truth: the loop may die on any line, and the next launch goes on from what it
finds. All of them are read once at the start; after that only the folders of runs that ended.
"""

import math
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from orchestrator.errors import RecordError
from orchestrator.launch.backend import Ended
from orchestrator.launch.disk import full_disk_named
from orchestrator.launch.overview import overview_of
from orchestrator.launch.settle import settle
from orchestrator.launch.states import GRACE, Moment, observe, observe_run
from orchestrator.launch.submit import Place, submit
from orchestrator.launch.usage import Timed, add_usage
from orchestrator.launch.watcher import Overview, Watcher
from orchestrator.plan.actions import Action, Verb, decide, halt_reason
from orchestrator.plan.causes import Cause, Step
from orchestrator.plan.limits import Limits
from orchestrator.plan.observed import LIVE, Observed, State, Wish
from orchestrator.plan.plan import Plan, PlannedRun
from orchestrator.store.attempts import attempt_numbers, read_intent, spent
from orchestrator.store.wishes import read_wish

_WAIT_SECONDS = 0.2
"""Longest time in which an interruption or a refreshed display has to wait."""

_LOOK_SECONDS = 0.5
"""Time between two looks at runs that are not this launcher's children."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a launch ended."""

    actions: tuple[Action, ...]
    """What would come next."""
    observed: dict[str, Observed]
    """Where every run stands."""
    finished: int
    """Runs done in this launch."""
    seconds: float
    """How long it took."""
    interrupted: bool
    """Whether it was told to leave before everything was done."""
    halted: str | None
    """Why nothing more was started; None if everything that could be was."""

    @property
    def live(self) -> tuple[str, ...]:
        """Runs that go on without the launcher."""
        return tuple(name for name, seen in self.observed.items() if seen.state in LIVE)

    @property
    def blocked(self) -> tuple[Action, ...]:
        """Runs that cannot go on without a person."""
        return tuple(action for action in self.actions if action.verb is Verb.BLOCK)


class Loop:
    """One launch of one study. The launch lock is held by the caller."""

    def __init__(
        self,
        plan: Plan,
        place: Place,
        watcher: Watcher,
        *,
        now: Callable[[], datetime],
        grace: timedelta = GRACE,
    ) -> None:
        """Observe everything; start nothing yet.

        Args:
            plan: the runs.
            place: where they go.
            watcher: is told what happens.
            now: tells the date.
            grace: how long a process may take to show itself.
        """
        self._plan = plan
        self._runs = {run.run_id: run for run in plan.runs}
        self._place = place
        self._watcher = watcher
        self._now = now
        self._grace = grace
        self._since = now()
        self._began = time.monotonic()
        self._observed = observe(place.folder, plan, self._moment())
        self._slots = self._adopted_slots()
        self._strangers = {name for name, seen in self._observed.items() if seen.state in LIVE}
        self._looked_at = 0.0
        self._cancelled: set[str] = set()
        self._timed: list[Timed] = []

    def run(self, interrupted: Callable[[], bool]) -> Outcome:
        """Go on until nothing is left to do, or until told to leave.

        Args:
            interrupted: whether to leave now; nothing is cancelled then.

        Raises:
            LaunchError: if the disk is full, or the backend fails.
        """
        try:
            while not interrupted():
                actions = self._decide()
                self._apply(actions)
                self._watcher.look(self.overview())
                backs_off = [a.wait_seconds for a in actions if a.wait_seconds is not None]
                if self._place.config.once or not (self._live() or backs_off):
                    break
                self._wait(interrupted, min(backs_off, default=math.inf))
        finally:
            for lost in self._place.backend.close(hurry=interrupted()):
                self._settle(lost)
            add_usage(self._place.folder, self._timed)
        return self._outcome(interrupted=interrupted())

    def has_work(self) -> bool:
        """Return whether anything is to be started."""
        return any(action.verb is Verb.SUBMIT for action in self._decide())

    def overview(self) -> Overview:
        """Return where everything stands, for a display."""
        return overview_of(
            self._plan,
            self._place.folder,
            self._observed,
            timed=self._timed,
            seconds=time.monotonic() - self._began,
            slots=self._place.backend.slots,
        )

    def _decide(self) -> tuple[Action, ...]:
        config = self._place.config
        limits = Limits(
            slots=self._place.backend.slots,
            retry=config.retry,
            stop=config.stop,
            now=self._now(),
        )
        return decide(self._plan, self._observed, limits)

    def _apply(self, actions: tuple[Action, ...]) -> None:
        for action in actions:
            if action.verb is Verb.SUBMIT and not self._is_held(action.run_id):
                self._submit(self._runs[action.run_id], action.step)
            elif action.verb is Verb.CANCEL and action.run_id not in self._cancelled:
                self._cancelled.add(action.run_id)
                self._place.backend.cancel([self._place.folder.run(action.run_id)])

    def _is_held(self, run_id: str) -> bool:
        """Return whether a person has paused or cancelled a run since it was looked at."""
        folder = self._place.folder.run(run_id)
        with suppress(RecordError):  # observing names what is damaged
            wished = read_wish(folder)
            if wished and wished.wish in (Wish.PAUSE, Wish.CANCEL):
                self._observed[run_id] = replace(self._observed[run_id], wish=wished.wish)
                return True
        return False

    def _submit(self, run: PlannedRun, step: Step | None) -> None:
        slot = self._free_slot()
        try:
            attempt = submit(self._place, run, slot, self._now(), step)
        except RecordError as error:
            seen = Observed(state=State.UNKNOWN, cause=Cause.DAMAGED, message=str(error))
            self._observed[run.run_id] = seen
            return
        self._observed[run.run_id] = Observed(state=State.SUBMITTED, attempts=attempt)
        self._slots[run.run_id] = slot
        self._watcher.started(run, attempt)

    def _wait(self, interrupted: Callable[[], bool], seconds: float) -> None:
        """Wait until something has changed, or so long."""
        deadline = time.monotonic() + seconds
        while not interrupted() and time.monotonic() < deadline:
            ended = self._place.backend.poll(_WAIT_SECONDS)
            for end in ended:
                self._settle(end)
            if self._look_at_strangers() or ended:
                return
            self._watcher.look(self.overview())

    def _look_at_strangers(self) -> bool:
        """Look at runs whose end the backend does not tell: earlier launches started them."""
        if not self._strangers or time.monotonic() - self._looked_at < _LOOK_SECONDS:
            return False
        self._looked_at = time.monotonic()
        changed = False
        for name in sorted(self._strangers):
            seen = observe_run(self._place.folder.run(name), self._moment())
            if seen.state not in LIVE:
                number = attempt_numbers(self._place.folder.run(name))[-1]
                self._settle(Ended(run_id=name, attempt=number, code=None))
                changed = True
            elif seen != self._observed[name]:
                self._observed[name] = seen
                changed = True
        return changed

    def _settle(self, end: Ended) -> None:
        """Take in that a process is gone."""
        folder = self._place.folder.run(end.run_id)
        with suppress(RecordError), full_disk_named(folder.path):  # observing names what is damaged
            settle(folder, end.attempt, end.code, self._now())
        seen = replace(observe_run(folder, self._moment()), earlier=False)
        self._observed[end.run_id] = seen
        if seen.state in LIVE:  # another process goes on with it
            self._strangers.add(end.run_id)
            return
        self._strangers.discard(end.run_id)
        self._slots.pop(end.run_id, None)
        self._account(self._runs[end.run_id], seen)

    def _account(self, run: PlannedRun, seen: Observed) -> None:
        seconds = spent(self._place.folder.run(run.run_id)).seconds
        if seen.state is State.DONE:
            self._timed.append(Timed(run=run, seconds=seconds))
        self._watcher.ended(run, seen, seconds)

    def _live(self) -> list[str]:
        return [name for name, seen in self._observed.items() if seen.state in LIVE]

    def _free_slot(self) -> int | None:
        """Return the first slot that fewest runs hold; None where there are no slots."""
        slots = self._place.backend.slots
        if slots is None:
            return None
        used = Counter(self._slots.values())
        return min(range(slots), key=lambda slot: used[slot])

    def _adopted_slots(self) -> dict[str, int | None]:
        slots: dict[str, int | None] = {}
        for name in self._live():
            folder = self._place.folder.run(name)
            try:
                slots[name] = read_intent(folder.attempt(attempt_numbers(folder)[-1])).slot
            except RecordError:
                slots[name] = None
        return slots

    def _moment(self) -> Moment:
        return Moment(now=self._now(), since=self._since, grace=self._grace)

    def _outcome(self, *, interrupted: bool) -> Outcome:
        return Outcome(
            actions=self._decide(),
            observed=self._observed,
            finished=len(self._timed),
            seconds=time.monotonic() - self._began,
            interrupted=interrupted,
            halted=halt_reason(self._observed),
        )
