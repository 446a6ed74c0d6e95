"""One attempt at one run, from its records to its marker.

The order of writes is the promise: `result.json`, then `DONE`, then `exit.json`; then the lease is
given back. A process that dies in between leaves a run that is either done or can be tried again,
and who finds the lease free finds the end recorded, too.
"""

import errno
import logging
import os
import sys
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from orchestrator.errors import DataError, RecordError, SweepError
from orchestrator.store.attempts import (
    CLUSTER,
    Exit,
    read_exit,
    read_intent,
    set_aside_exit,
    write_exit,
)
from orchestrator.store.layout import AttemptFolder, RunFolder
from orchestrator.store.records import is_done, read_run, write_done, write_result
from orchestrator.store.stage import DivergedError, StageResult, StoppedError
from orchestrator.store.versioned import timestamp
from orchestrator.store.world import World
from orchestrator.worker.clock import Clock, system_clock
from orchestrator.worker.context import Inputs, NotReadyError, RunContext
from orchestrator.worker.environment import write_environment
from orchestrator.worker.exit_codes import CAUSES, ExitCode
from orchestrator.worker.follower import follow
from orchestrator.worker.function import load_function
from orchestrator.worker.heartbeat import beating
from orchestrator.worker.lease import (
    Lease,
    LeaseHeldError,
    check,
    give_back,
    guarded,
    take,
    wait_for_silence,
)
from orchestrator.worker.memory_limit import limited
from orchestrator.worker.progress import Reporter
from orchestrator.worker.signals import StopFlag
from orchestrator.worker.tracking import open_tracker
from orchestrator.worker.usage import peak_memory_mib

_LOG = logging.getLogger(__name__)
_DISK_FULL = (errno.ENOSPC, errno.EDQUOT)


@dataclass(slots=True)
class _Account:
    """What is known about an attempt when it ends, however it ends."""

    began: float
    started: datetime
    token: str = ""
    device: str = ""
    lease: Lease | None = None
    reporter: Reporter | None = None
    stage_began: float | None = None
    stage_ended: float | None = None


ALONE = World()
"""The usual case: one process makes an attempt."""


def main(run_folder: Path, number: int, world: World = ALONE) -> ExitCode:
    """Make one attempt at a run, or compute with the process that makes it; say how it ended.

    Args:
        run_folder: the folder of the run.
        number: the attempt, whose folder and intent exist.
        world: the processes that make it together; the first one keeps the records.
    """
    clock = system_clock()
    folder = RunFolder(run_folder.absolute())
    attempt = folder.attempt(number)
    stop = StopFlag()
    stop.install()
    _configure_log(folder.run_id)
    if not world.is_first:
        return _followed(folder, attempt, world, stop)
    account = _Account(began=clock.seconds(), started=clock.now())
    try:
        _attempt(folder, attempt, account, clock=clock, stop=stop, world=world)
        code, message = ExitCode.DONE, None
    except (Exception, SystemExit) as error:  # noqa: BLE001  (the edge: each is named and recorded)
        code, message = classify(error)
        if code is ExitCode.STOPPED and stop.was_warned and _got_further(account):
            code = ExitCode.WARNED
        _tell(error, code)
    _record_exit(attempt, account, code, message, clock)
    if account.lease:
        give_back(folder, account.lease)
    return code


def _followed(folder: RunFolder, attempt: AttemptFolder, world: World, stop: StopFlag) -> ExitCode:
    """Compute with the first process; only the log and the exit code tell how it ended."""
    try:
        return follow(folder, attempt, world, stop)
    except (Exception, SystemExit) as error:  # noqa: BLE001  (the edge: each is named)
        code, _ = classify(error)
        _tell(error, code)
        return ExitCode.WARNED if code is ExitCode.STOPPED and stop.was_warned else code


def _got_further(account: _Account) -> bool:
    """Return whether this attempt's checkpoint is beyond the one it began with."""
    reporter = account.reporter
    if reporter is None or reporter.last is None:
        return False
    return reporter.last.step > (reporter.first_step or 0)


def classify(error: BaseException) -> tuple[ExitCode, str]:
    """Return the exit code for an error and the error in one line."""
    message = error.what if isinstance(error, SweepError) else str(error) or type(error).__name__
    return _code_of(error), message.strip().split("\n")[0]


def _code_of(error: BaseException) -> ExitCode:
    """Return the exit code; torch's errors are known by name, as torch is never imported here."""
    by_type: tuple[tuple[type[BaseException], ExitCode], ...] = (
        (StoppedError, ExitCode.STOPPED),
        (DivergedError, ExitCode.DIVERGED),
        (LeaseHeldError, ExitCode.LEASE_HELD),
        (NotReadyError, ExitCode.NOT_READY),
        (DataError, ExitCode.DATA),
        (RecordError, ExitCode.INPUT),
        (SweepError, ExitCode.CONFIG),
        (MemoryError, ExitCode.OUT_OF_MEMORY),
    )
    for kind, code in by_type:
        if isinstance(error, kind):
            return code
    if isinstance(error, OSError) and error.errno in _DISK_FULL:
        return ExitCode.DISK_FULL
    if isinstance(error, OSError) and error.errno == errno.ENOMEM:
        return ExitCode.OUT_OF_MEMORY
    if type(error).__name__ == "OutOfMemoryError" or "can't allocate memory" in str(error):
        return ExitCode.OUT_OF_MEMORY
    return ExitCode.BUG


def _attempt(
    folder: RunFolder,
    attempt: AttemptFolder,
    account: _Account,
    *,
    clock: Clock,
    stop: StopFlag,
    world: World,
) -> None:
    """Check the inputs, take the lease, run the stage, write the result."""
    record = read_run(folder)
    intent = read_intent(attempt)
    account.token, account.device = intent.token, intent.execution.device.value
    if is_done(folder):
        _LOG.info("already done")
        return
    _begin_life(attempt)
    inputs = Inputs(folder, record, intent)
    inputs.check()
    lease = Lease.of_this_process(intent.attempt, intent.token)
    if intent.backend == CLUSTER:
        wait_for_silence(folder, lease, clock.now, stop.wait)
        _refuse_if_stopped(stop)
    take(folder, lease, clock.now())
    account.lease = lease
    write_environment(attempt, intent.execution)

    def exceeded(mib: float) -> None:
        """End this process where it stands: it would take the others' memory, too."""
        message = (
            f"it takes {mib:,.0f} MiB, more than the {intent.execution.memory_gib:g} GiB allowed"
        )
        _LOG.error("%s", message)
        _record_exit(attempt, account, ExitCode.HOST_MEMORY, message, clock)
        give_back(folder, lease)
        os._exit(ExitCode.HOST_MEMORY)

    with beating(folder, lease), limited(intent.execution.memory_gib, exceeded):
        _run_stage(inputs, attempt, account, lease, clock=clock, stop=stop, world=world)


def _refuse_if_stopped(stop: StopFlag) -> None:
    if stop.is_set:
        raise StoppedError("stopped before the work began")


def _begin_life(attempt: AttemptFolder) -> None:
    """Set aside the end of an earlier life of this attempt's job, which the cluster started again.

    Raises:
        LeaseHeldError: if the launcher has closed the attempt meanwhile.
    """
    ending = read_exit(attempt)
    if ending is None:
        return
    if ending.job_state is not None:
        raise LeaseHeldError(
            f"attempt {attempt.number} comes too late: it was closed as {ending.cause}",
            str(attempt.exit),
            "nothing to do: a newer attempt goes on with the run",
        )
    set_aside_exit(attempt)


def _run_stage(  # noqa: PLR0913  (what one attempt is made of)
    inputs: Inputs,
    attempt: AttemptFolder,
    account: _Account,
    lease: Lease,
    *,
    clock: Clock,
    stop: StopFlag,
    world: World,
) -> None:
    """Call the stage's function and keep what it returns."""
    folder, record = inputs.folder, inputs.record
    function = load_function(record.function)
    reporter = Reporter(
        folder,
        inputs.intent,
        clock=clock,
        still_ours=lambda: check(folder, lease),
    )
    account.reporter, account.stage_began = reporter, clock.seconds()
    tracker = open_tracker(inputs.intent.tracking, folder, attempt, record)
    result: StageResult | None = None
    try:
        result = function(
            RunContext(
                inputs=inputs,
                reporter=reporter,
                tracker=tracker,
                stop=stop,
                world=world,
                holding=lambda: guarded(folder, lease),
            )
        )
        reporter.close()
        with guarded(folder, lease):
            write_result(folder, result)
            write_done(folder)
    finally:
        account.stage_ended = clock.seconds()
        reporter.close()
        tracker.finish(result)


def _record_exit(
    attempt: AttemptFolder,
    account: _Account,
    code: ExitCode,
    message: str | None,
    clock: Clock,
) -> None:
    """Write `exit.json`. If even that fails, the exit code alone has to tell.

    The launcher's last word on an attempt stays: a job that comes back later adds nothing to it.
    """
    if not attempt.path.is_dir() or _is_closed(attempt):
        return
    reporter = account.reporter
    ended = account.stage_ended or clock.seconds()
    ending = Exit(
        token=account.token,
        code=code.value,
        cause=CAUSES.get(code),
        message=message,
        started=timestamp(account.started),
        ended=timestamp(clock.now()),
        seconds=ended - account.stage_began if account.stage_began is not None else 0.0,
        device=account.device,
        step=reporter.last.step if reporter and reporter.last else None,
        steps_per_second=reporter.mean_speed() if reporter else None,
        peak_memory_mib=peak_memory_mib(),
        device_memory_mib=reporter.last.device_memory_mib if reporter and reporter.last else None,
        mfu=reporter.mean_mfu() if reporter else None,
    )
    try:
        write_exit(attempt, ending)
    except OSError:
        _LOG.exception("exit.json could not be written")


def _is_closed(attempt: AttemptFolder) -> bool:
    with suppress(RecordError):
        ending = read_exit(attempt)
        return ending is not None and ending.job_state is not None
    return False


def _tell(error: BaseException, code: ExitCode) -> None:
    """Say in the log how the attempt ended; only a bug needs its traceback."""
    if code is ExitCode.BUG:
        _LOG.error("the stage failed", exc_info=error)
    else:
        _LOG.error("%s: %s", CAUSES[code].value, error)


def _configure_log(run_id: str) -> None:
    logging.basicConfig(
        level=logging.INFO,
        stream=sys.stderr,
        format=f"%(asctime)s %(levelname)s {run_id} %(name)s: %(message)s",
        force=True,
    )
