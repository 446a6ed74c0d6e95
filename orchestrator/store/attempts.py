"""The records of one try at a run: what was to be started, and how it ended."""

import errno
import shutil
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from orchestrator.errors import RecordError
from orchestrator.plan.causes import Cause
from orchestrator.spec.execution import Execution
from orchestrator.spec.launch import Tracking
from orchestrator.store.layout import AttemptFolder, RunFolder
from orchestrator.store.versioned import read_record, timestamp, write_record

LOCAL, CLUSTER = "local", "slurm"
"""What starts attempts, as intents name it: this machine, or a cluster's scheduler."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DataFolder:
    """Where a data source lies on the machine of an attempt."""

    name: str
    """Name of the source."""
    version: str
    """Version of the source."""
    folder: str
    """Absolute path of its folder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """`attempts/n/intent.json`: written before the process of an attempt is started."""

    attempt: int
    """Which try, from 1."""
    token: str
    """Unique to this attempt; jobs of one array share it."""
    execution: Execution
    """Device, precision, threads."""
    data: tuple[DataFolder, ...]
    """Where its data lies."""
    tracking: Tracking
    """Who else is told."""
    backend: str
    """What starts it: `local` or `slurm`."""
    slot: int | None
    """The local slot it fills, from 0; None on a cluster."""
    host: str
    """Machine of the launcher."""
    time: str
    """When it was written, ISO 8601 in UTC."""
    task: int | None = None
    """Its number in an array of jobs on a cluster; None on this machine."""
    processes: int = 1
    """Processes that make it together, each on a device of its own. At least 1."""
    step_flops: float | None = None
    """FLOP of one optimizer step by the plan; None for a run that takes none."""
    peak_teraflops: float | None = None
    """Peak of each device in 10^12 FLOP per second by the cluster's profile; None without one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exit:
    """`attempts/n/exit.json`: how an attempt ended.

    Written by the worker; by the launcher for a worker that vanished.
    """

    token: str
    """The attempt's token, from its intent; empty if the intent could not be read."""
    code: int | None
    """Exit code; negative for a signal; None if nobody saw it."""
    cause: Cause | None
    """Why there is no result; None if there is one."""
    message: str | None
    """The failure in words."""
    started: str
    """When the worker began, ISO 8601 in UTC."""
    ended: str
    """When it ended, ISO 8601 in UTC."""
    seconds: float
    """Time inside the stage's function."""
    device: str
    """What it computed on."""
    step: int | None
    """Last step reported; None if there was none."""
    steps_per_second: float | None
    """Mean over the steps of this attempt; None if there were none."""
    peak_memory_mib: float | None
    """Largest resident memory of the process; None if nobody measured it."""
    device_memory_mib: float | None = None
    """Largest memory that it held on its device; None on a CPU, or if nobody measured it."""
    mfu: float | None = None
    """Model FLOP utilisation over the attempt, 1 at the devices' peak; None if not known."""
    nodes: tuple[str, ...] = ()
    """Machines that failed under it."""
    job_state: str | None = None
    """The cluster's last word for its job; None while the cluster may start it again, and on this
    machine."""


def attempt_numbers(folder: RunFolder) -> tuple[int, ...]:
    """Return the numbers of the attempts made so far, in order."""
    if not folder.attempts.is_dir():
        return ()
    return tuple(sorted(int(p.name) for p in folder.attempts.iterdir() if p.name.isdecimal()))


class TakenError(RecordError):
    """Another launcher made an attempt meanwhile."""


def claim_attempt(folder: RunFolder) -> AttemptFolder:
    """Make the folder of the next attempt. Its number is taken from then on, whatever happens."""
    numbers = attempt_numbers(folder)
    attempt = folder.attempt(numbers[-1] + 1 if numbers else 1)
    attempt.path.mkdir(parents=True)
    return attempt


def claim_with_intent(
    folder: RunFolder, after: int, intent_of: Callable[[int], Intent]
) -> AttemptFolder:
    """Make the next attempt and its intent in one step: no other launcher sees one without.

    Args:
        folder: the run.
        after: the newest attempt that is known, 0 for none.
        intent_of: gives the intent for a number.

    Raises:
        TakenError: if another launcher has made a newer one.
    """
    attempt = folder.attempt(after + 1)
    part = folder.attempts / f".{uuid.uuid4().hex}"
    write_intent(AttemptFolder(part), intent_of(attempt.number))
    try:
        if max(attempt_numbers(folder), default=0) != after:
            raise FileExistsError
        part.rename(attempt.path)  # which fails where another one has put an attempt
    except OSError as error:
        shutil.rmtree(part, ignore_errors=True)
        if error.errno not in (None, errno.EEXIST, errno.ENOTEMPTY):
            raise
        raise TakenError(
            "another launcher has made an attempt meanwhile", str(folder.attempts), "launch again"
        ) from error
    return attempt


def withdraw_attempt(attempt: AttemptFolder) -> None:
    """Forget an attempt that was never handed over, in one step."""
    part = attempt.path.with_name(f".{uuid.uuid4().hex}")
    attempt.path.rename(part)
    shutil.rmtree(part)


def write_intent(attempt: AttemptFolder, intent: Intent) -> None:
    """Write `intent.json`."""
    write_record(attempt.intent, intent)


def read_intent(attempt: AttemptFolder) -> Intent:
    """Read `intent.json`.

    Raises:
        RecordError: if it is missing, damaged or of another attempt.
    """
    intent = read_record(Intent, attempt.intent)
    if intent.attempt != attempt.number:
        raise RecordError(
            f"it is of attempt {intent.attempt}, the folder is of attempt {attempt.number}",
            str(attempt.intent),
            "launch again: a new attempt gets its own",
        )
    return intent


def ending_unsaid(  # noqa: PLR0913  (what is known of it)
    intent: Intent | None,
    cause: Cause,
    message: str | None,
    now: datetime,
    *,
    code: int | None = None,
    seconds: float = 0.0,
    step: int | None = None,
) -> Exit:
    """Return the end of an attempt whose worker had no chance to record one.

    Args:
        intent: what was to be started; None if that was not written down either.
        cause: why there is no result.
        message: the failure in words.
        now: when that was found out.
        code: exit code; None if nobody saw it.
        seconds: time inside the stage's function, as far as it is known.
        step: last step reported; None if there was none.
    """
    return Exit(
        token=intent.token if intent else "",
        code=code,
        cause=cause,
        message=message,
        started=intent.time if intent else timestamp(now),
        ended=timestamp(now),
        seconds=seconds,
        device=intent.execution.device.value if intent else "",
        step=step,
        steps_per_second=None,
        peak_memory_mib=None,
    )


def set_aside_exit(attempt: AttemptFolder) -> None:
    """Keep how an earlier life of the attempt's job ended beside the end that is to come."""
    number = 1
    while attempt.life(number).exists():
        number += 1
    attempt.exit.replace(attempt.life(number))


def read_lives(attempt: AttemptFolder) -> tuple[Exit, ...]:
    """Read how the earlier lives of an attempt's job ended, oldest first.

    Raises:
        RecordError: if one of them is damaged.
    """
    lives: list[Exit] = []
    while attempt.life(len(lives) + 1).exists():
        lives.append(read_record(Exit, attempt.life(len(lives) + 1)))
    return tuple(lives)


def write_exit(attempt: AttemptFolder, ending: Exit) -> None:
    """Write `exit.json`."""
    write_record(attempt.exit, ending)


def read_exit(attempt: AttemptFolder) -> Exit | None:
    """Read `exit.json`; None if the attempt has not ended, or its worker vanished.

    Raises:
        RecordError: if it is damaged.
    """
    return read_record(Exit, attempt.exit) if attempt.exit.exists() else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """What a run's attempts took inside the stage's function, failed ones and earlier lives too."""

    seconds: float
    """On the clock."""
    device_seconds: float
    """The same, times the devices of each attempt."""


def spent(folder: RunFolder) -> Spent:
    """Add up what is recorded of a run; a damaged record counts as none."""
    seconds = device_seconds = 0.0
    for number in attempt_numbers(folder):
        attempt = folder.attempt(number)
        with suppress(RecordError):
            ending, lives = read_exit(attempt), read_lives(attempt)
            own = sum(life.seconds for life in [*lives, *([ending] if ending else [])])
            seconds += own
            device_seconds += own * _processes(attempt)
    return Spent(seconds=seconds, device_seconds=device_seconds)


def _processes(attempt: AttemptFolder) -> int:
    with suppress(RecordError, FileNotFoundError):
        return read_intent(attempt).processes
    return 1
