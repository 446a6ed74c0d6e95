"""The processes of an attempt beside the first: they compute and write nothing but their logs.

The first process holds the lease, checks the inputs and keeps the records. The others wait for its
lease, so that none of them computes for an attempt that was refused.
"""

import logging
import time
from collections.abc import Callable

from orchestrator.errors import LaunchError
from orchestrator.store.attempts import read_exit, read_intent
from orchestrator.store.layout import AttemptFolder, RunFolder
from orchestrator.store.records import is_done, read_run
from orchestrator.store.stage import Progress, StageContext, StageResult
from orchestrator.store.world import World
from orchestrator.worker.context import Inputs, RunContext
from orchestrator.worker.exit_codes import ExitCode
from orchestrator.worker.function import load_function
from orchestrator.worker.lease import read_lease
from orchestrator.worker.signals import StopFlag
from orchestrator.worker.tracking import NoTracker

PATIENCE_SECONDS = 1800.0
"""How long to wait for the first process. An assumption: it may itself wait for a silent lease,
and import from a slow disk."""

_LOOK_SECONDS = 0.5

_LOG = logging.getLogger(__name__)


class Silent:
    """Takes what a follower would report, and tells nobody."""

    def resumed(self, step: int) -> None:
        """Do nothing: the first process says it."""

    def report(self, progress: Progress) -> None:
        """Do nothing: the first process says it."""

    def beat(self) -> None:
        """Do nothing: the first process gives the signs of life."""

    def usage(self) -> dict[str, float]:
        """Return nothing: the first process speaks for all."""
        return {}


def follow(
    folder: RunFolder,
    attempt: AttemptFolder,
    world: World,
    stop: StopFlag,
    seconds: Callable[[], float] = time.monotonic,
) -> ExitCode:
    """Compute with the first process, from its lease to its end.

    Raises:
        LaunchError: if the first process does not come.
        Exception: whatever the stage raises.
    """
    intent = read_intent(attempt)
    code = _wait_for_first(folder, attempt, intent.token, seconds)
    if code is not None:
        _LOG.info("the first process left before the work began")
        return code
    record = read_run(folder)
    context: StageContext = RunContext(
        inputs=Inputs(folder, record, intent),
        reporter=Silent(),
        tracker=NoTracker(),
        stop=stop,
        world=world,
    )
    result: StageResult = load_function(record.function)(context)
    del result  # the first process writes it
    return ExitCode.DONE


def _wait_for_first(
    folder: RunFolder, attempt: AttemptFolder, token: str, seconds: Callable[[], float]
) -> ExitCode | None:
    """Wait for the first process's lease; return how it ended if it never got one."""
    began = seconds()
    while True:
        lease = read_lease(folder)
        if lease and (lease.attempt, lease.token) == (attempt.number, token):
            return None
        if is_done(folder):
            return ExitCode.DONE
        ending = read_exit(attempt)
        if ending and ending.code is not None and ending.token == token:
            return ExitCode(ending.code) if ending.code in set(ExitCode) else ExitCode.BUG
        if seconds() - began > PATIENCE_SECONDS:
            raise LaunchError(
                f"the first process of attempt {attempt.number} did not come",
                str(folder.path),
                f"see its log: {attempt.log}",
            )
        time.sleep(_LOOK_SECONDS)
