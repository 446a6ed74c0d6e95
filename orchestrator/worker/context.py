"""What a stage is given: the run, its inputs, and the way to say how far it is."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Protocol

from orchestrator.errors import DataError, RecordError
from orchestrator.spec.execution import Execution
from orchestrator.spec.run import RunConfig
from orchestrator.spec.source import DataSource
from orchestrator.store.attempts import Intent
from orchestrator.store.layout import RunFolder
from orchestrator.store.records import RunRecord, is_done
from orchestrator.store.stage import Progress
from orchestrator.store.world import World
from orchestrator.worker.signals import StopFlag
from orchestrator.worker.tracking import Tracker


class NotReadyError(RecordError):
    """A run that this one needs is not done."""


class Reports(Protocol):
    """Who is told how far the run is."""

    def resumed(self, step: int) -> None:
        """Say that work goes on after `step`."""
        ...

    def report(self, progress: Progress) -> None:
        """Log a step."""
        ...

    def beat(self) -> None:
        """Give a sign of life."""
        ...

    def usage(self) -> dict[str, float]:
        """Return what was measured of the machine lately, by name."""
        ...


class RunContext:
    """The `StageContext` of one attempt."""

    def __init__(
        self,
        *,
        inputs: "Inputs",
        reporter: Reports,
        tracker: Tracker,
        stop: StopFlag,
        world: World,
        holding: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        """Start with nothing reported.

        Args:
            inputs: what the attempt reads.
            reporter: is told how far it is.
            tracker: is told, too.
            stop: turns true when the attempt is to leave.
            world: the processes that make it together.
            holding: gives contexts in which nobody can take the run over; a process beside the
                first publishes nothing and needs none.
        """
        self._inputs = inputs
        self._reporter = reporter
        self._tracker = tracker
        self._stop = stop
        self._world = world
        self._holding = holding

    @property
    def config(self) -> RunConfig:
        """What the run is."""
        return self._inputs.record.config

    @property
    def folder(self) -> RunFolder:
        """Where it writes."""
        return self._inputs.folder

    @property
    def execution(self) -> Execution:
        """Device, precision, threads."""
        return self._inputs.intent.execution

    @property
    def world(self) -> World:
        """The processes that make this attempt together."""
        return self._world

    def parent(self, run_id: str) -> RunFolder:
        """Return the finished folder of a run this one needs.

        Raises:
            RecordError: if it is none of those it needs.
        """
        return self._inputs.parent(run_id)

    def previous(self) -> RunFolder | None:
        """Return the finished trunk segment this one goes on from, if there is one."""
        previous = self._inputs.record.previous
        return None if previous is None else self._inputs.parent(previous)

    def data(self, source: DataSource) -> Path:
        """Return the folder of a data set.

        Raises:
            DataError: if it is not there.
        """
        return self._inputs.data(source)

    def resumed(self, step: int) -> None:
        """Say that work goes on after `step`: later lines of an earlier attempt are dropped."""
        self._reporter.resumed(step)

    def report(self, progress: Progress) -> None:
        """Log a step."""
        self._reporter.report(progress)
        self._tracker.log(progress, self._reporter.usage())

    def holding(self) -> AbstractContextManager[None]:
        """Return a context in which nobody can take the run over.

        Raises:
            LeaseHeldError: on entering it, if somebody has.
        """
        return self._holding()

    def stop_requested(self) -> bool:
        """Return whether to checkpoint and leave now."""
        self._reporter.beat()
        return self._stop.is_set


class Inputs:
    """What an attempt reads: its records, the runs it needs, its data."""

    def __init__(self, folder: RunFolder, record: RunRecord, intent: Intent) -> None:
        self.folder = folder
        self.record = record
        self.intent = intent

    def check(self) -> None:
        """Make sure that everything is there before the work begins.

        Raises:
            NotReadyError: if a run it needs is not done.
            RecordError: if the result of a run it needs is not what was marked done.
            DataError: if a data set is not there, or not complete.
        """
        for run_id in self.record.needs:
            parent = self.parent(run_id)
            if not is_done(parent):
                raise NotReadyError(
                    f"the run {run_id}, which this one needs, is not done",
                    str(parent.path),
                    "launch again: it is then done first",
                )
        for source in self.intent.data:
            self.data(DataSource(name=source.name, version=source.version))

    def parent(self, run_id: str) -> RunFolder:
        """Return the folder of a run this one needs.

        Raises:
            RecordError: if it is none of those it needs.
        """
        if run_id not in self.record.needs:
            raise RecordError(
                f"{run_id} is none of the runs that this one needs",
                str(self.folder.run_json),
                f"read one of: {', '.join(self.record.needs) or 'none'}",
            )
        return RunFolder(self.folder.path.parent / run_id)

    def data(self, source: DataSource) -> Path:
        """Return the folder of a data set.

        Raises:
            DataError: if it is not there.
        """
        for known in self.intent.data:
            if (known.name, known.version) == (source.name, source.version):
                folder = Path(known.folder)
                if folder.is_dir():  # made data appears under its name only when it is whole
                    return folder
                raise DataError(
                    f"{source.name} at version {source.version} is not there",
                    str(folder),
                    "run `sweep data make`, or copy the data there",
                )
        raise DataError(
            f"nobody said where {source.name} at {source.version} lies",
            "intent.json: data",
            "name the source in the run's config",
        )
