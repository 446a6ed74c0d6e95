"""The records a run leaves on disk: typed, read strictly, written whole.

A record that is missing, damaged or about something else is a `RecordError` that names the file.
"""

import errno
import hashlib
import json
import math
import shutil
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import TypeVar, cast

from orchestrator.errors import ConfigError, RecordError
from orchestrator.plan.causes import Cause
from orchestrator.plan.plan import Axis
from orchestrator.spec.codec import Plain, decode, encode
from orchestrator.spec.execution import Execution
from orchestrator.spec.identity import run_id
from orchestrator.spec.run import STAGES, RunConfig, Stage
from orchestrator.store.files import read_json, write_json
from orchestrator.store.layout import AttemptFolder, RunFolder, StudyFolder
from orchestrator.store.stage import Measure, StageResult

FORMAT = 1
"""Version of these files. Raise when a reader of the old ones would be misled."""

LOCAL, CLUSTER = "local", "slurm"
"""What starts attempts, as intents name it: this machine, or a cluster's scheduler."""

T = TypeVar("T")


class Tracking(StrEnum):
    """Who is told about a run beside its own files."""

    OFF = "off"
    WANDB = "wandb"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """`run.json`: what a run is and where it comes from. Nothing about machines."""

    study: str
    """The study that first asked for it."""
    run_id: str
    """Its name, which `config` must give."""
    stage: Stage
    """What it does."""
    function: str
    """Dotted name of the stage's function, `package.module:function`."""
    config: RunConfig
    """What identifies it."""
    needs: tuple[str, ...]
    """Runs that it reads."""
    previous: str | None
    """Trunk segment it goes on from; also in `needs`."""
    arms: tuple[str, ...]
    """Arms that it served when it was started; `plan.json` has today's."""
    axes: tuple[Axis, ...]
    """Its settings of the study's axes."""
    title: str
    """A line for people."""


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
    nodes: tuple[str, ...] = ()
    """Machines that failed under it."""
    job_state: str | None = None
    """The cluster's last word for its job; None while the cluster may start it again, and on this
    machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgressRecord:
    """`progress.json`: how far a run is."""

    attempt: int
    """Which try."""
    pid: int
    """Its process."""
    host: str
    """Its machine."""
    first_step: int
    """Step at which this attempt took up the work."""
    step: int
    """Steps done."""
    steps: int
    """Of how many."""
    position: int
    """Tokens, examples or questions seen."""
    loss: float | None
    """Training loss in nats per supervised token, if it is a number."""
    steps_per_second: float | None
    """Recent speed; None before two steps were timed."""
    heartbeat: str
    """When it was written, ISO 8601 in UTC."""


def timestamp(now: datetime) -> str:
    """Write an instant as ISO 8601 in UTC, to the millisecond."""
    return now.astimezone(UTC).isoformat(timespec="milliseconds")


def write_run(folder: RunFolder, record: RunRecord) -> None:
    """Write `run.json`, unless it is there already and says the same.

    Raises:
        RecordError: if the folder is not this run's, or holds work without a `run.json`.
    """
    name = run_id(record.config, record.function)
    if folder.run_id != name:
        raise RecordError(
            f"the run is {name}, the folder's name is {folder.run_id}",
            str(folder.path),
            "launch with the same version that planned it",
        )
    if folder.run_json.exists():
        if read_run(folder) == record:
            return
    else:
        check_empty(folder)
    _write(folder.run_json, record)


def read_run(folder: RunFolder) -> RunRecord:
    """Read `run.json`.

    Raises:
        RecordError: if it is missing, damaged, or describes another run than the folder's name.
    """
    path = folder.run_json
    value = _load(path)
    try:
        stage = decode(Stage, value.get("stage"), "stage")
        value["config"] = decode(STAGES[stage], value.get("config"), "config")
        record = decode(RunRecord, value)
    except ConfigError as error:
        raise _damaged(path, error) from error
    named = run_id(record.config, record.function)
    if not folder.run_id == record.run_id == named:
        raise _another_run(folder, record.run_id, named)
    return record


def check_run(folder: RunFolder) -> None:
    """Make sure that `run.json` is this run's: quick for a file that was looked at before.

    Raises:
        RecordError: if it is missing, damaged, or describes another run than the folder's name.
    """
    try:
        seen = folder.run_json.stat()
    except OSError:
        read_run(folder)  # says what is wrong
        return
    _check_version(folder.path, seen.st_mtime_ns, seen.st_size)


@cache
def _check_version(folder: Path, changed_ns: int, size: int) -> None:  # noqa: ARG001  (of the file)
    """Check one version of a file; an error is not remembered."""
    read_run(RunFolder(folder))


def check_empty(folder: RunFolder) -> None:
    """Refuse a folder without `run.json` in which there is already something.

    Parts of a write that a crash cut off (hidden names) do not count.

    Raises:
        RecordError: naming what lies there.
    """
    if not folder.path.exists():
        return
    if not folder.path.is_dir():
        raise RecordError("a file lies in its place", str(folder.path), "move the file away")
    found = sorted(path.name for path in folder.path.iterdir() if not path.name.startswith("."))
    if found:
        raise RecordError(
            f"the folder has no run.json but holds {', '.join(found[:5])}",
            str(folder.path),
            "move the folder away and launch again",
        )


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
    _write(attempt.intent, intent)


def read_intent(attempt: AttemptFolder) -> Intent:
    """Read `intent.json`.

    Raises:
        RecordError: if it is missing, damaged or of another attempt.
    """
    intent = _read(Intent, attempt.intent)
    if intent.attempt != attempt.number:
        raise RecordError(
            f"it is of attempt {intent.attempt}, the folder is of attempt {attempt.number}",
            str(attempt.intent),
            "launch again: a new attempt gets its own",
        )
    return intent


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
        lives.append(_read(Exit, attempt.life(len(lives) + 1)))
    return tuple(lives)


def write_exit(attempt: AttemptFolder, ending: Exit) -> None:
    """Write `exit.json`."""
    _write(attempt.exit, ending)


def read_exit(attempt: AttemptFolder) -> Exit | None:
    """Read `exit.json`; None if the attempt has not ended, or its worker vanished.

    Raises:
        RecordError: if it is damaged.
    """
    return _read(Exit, attempt.exit) if attempt.exit.exists() else None


def write_progress(folder: RunFolder, record: ProgressRecord) -> None:
    """Replace `progress.json`.

    It is not flushed to disk: after a power cut the process it speaks of is gone anyway, and
    readers only need the old content or the new.
    """
    temporary = folder.progress.with_name(f".{folder.progress.name}.part")
    temporary.write_text(json.dumps(_versioned(record), sort_keys=True) + "\n", encoding="utf-8")
    temporary.replace(folder.progress)


def read_progress(folder: RunFolder) -> ProgressRecord | None:
    """Read `progress.json`; None if the run has not said anything yet.

    Raises:
        RecordError: if it is damaged.
    """
    return _read(ProgressRecord, folder.progress) if folder.progress.exists() else None


def write_result(folder: RunFolder, result: StageResult) -> None:
    """Write `result.json`: the same result gives the same bytes, whenever and wherever it ran.

    Raises:
        RecordError: if a measure is not a finite number.
    """
    for measure in result.measures:
        for value in (measure.value, measure.stderr, measure.baseline):
            if value is not None and not math.isfinite(value):
                raise RecordError(
                    f"{measure.suite}/{measure.benchmark}/{measure.metric} is {value}",
                    str(folder.result),
                    "let the stage give None with a reason for what it could not measure",
                )
    counts: Plain = {name: result.counts[name] for name in sorted(result.counts)}
    measures: Plain = [encode(measure) for measure in result.measures]
    write_json(folder.result, {"format": FORMAT, "measures": measures, "counts": counts})


def read_result(folder: RunFolder) -> StageResult:
    """Read `result.json`.

    Raises:
        RecordError: if it is missing or damaged.
    """
    path = folder.result
    value = _load(path)
    try:
        measures = decode(tuple[Measure, ...], value.get("measures"), "measures")
        counts = _counts(value.get("counts"))
    except ConfigError as error:
        raise _damaged(path, error) from error
    if set(value) != {"measures", "counts"}:
        raise RecordError(
            f"its keys are {', '.join(sorted(value))}", str(path), "move the run's folder away"
        )
    return StageResult(measures=measures, counts=counts)


def write_done(folder: RunFolder) -> None:
    """Write the marker that vouches for `result.json`. The last thing a run writes."""
    write_json(folder.done, {"format": FORMAT, "sha256": _sha256(folder.result)})


def is_done(folder: RunFolder) -> bool:
    """Return whether the run has a result that its marker vouches for.

    Raises:
        RecordError: if there is a marker, but it is damaged or the result is not what it saw.
    """
    if not folder.done.exists():
        return False
    marked = _load(folder.done).get("sha256")
    if not folder.result.exists():
        raise RecordError(
            "the run is marked done, but result.json is missing",
            str(folder.result),
            f"put it back, or remove {folder.done} to run it again",
        )
    if marked != _sha256(folder.result):
        raise RecordError(
            "result.json is not the one that DONE vouches for",
            str(folder.result),
            f"put it back, or remove {folder.done} to run it again",
        )
    return True


def claim_study(folder: StudyFolder, study: str) -> None:
    """Write `study.json`, or check that the folder is this study's.

    Raises:
        RecordError: if it is another study's, or holds other files; nothing is written then.
    """
    if folder.study_json.exists():
        owner = _load(folder.study_json).get("study")
        if owner != study:
            raise RecordError(
                f"the folder belongs to the study {owner!r}, not to {study!r}",
                str(folder.path),
                "give one of the two another name, or another --results folder",
            )
        return
    if folder.path.exists():
        found = sorted(p.name for p in folder.path.iterdir() if not p.name.startswith("."))
        if found:
            raise RecordError(
                f"the folder has no study.json but holds {', '.join(found[:5])}",
                str(folder.path),
                f"move it away: the study {study!r} needs a folder of its own",
            )
    write_json(folder.study_json, {"format": FORMAT, "study": study})


def _counts(value: object) -> Mapping[str, int]:
    if not isinstance(value, dict):
        raise ConfigError(f"{value!r} is no mapping", "counts", "give names and whole numbers")
    items = cast(dict[str, object], value)
    return {name: decode(int, count, f"counts.{name}") for name, count in items.items()}


def _versioned(record: object) -> dict[str, Plain]:
    return {"format": FORMAT, **cast(dict[str, Plain], encode(record))}


def _write(path: Path, record: object) -> None:
    write_json(path, _versioned(record))


def _read(kind: type[T], path: Path) -> T:
    value = _load(path)
    try:
        return decode(kind, value)
    except ConfigError as error:
        raise _damaged(path, error) from error


def _load(path: Path) -> dict[str, object]:
    value = dict(read_json(path))
    version = value.pop("format", None)
    if version != FORMAT:
        raise RecordError(
            f"its format is {version!r}, not {FORMAT}", str(path), "use the version that wrote it"
        )
    return value


def _another_run(folder: RunFolder, stated: str, named: str) -> RecordError:
    return RecordError(
        f"the folder is {folder.run_id}, run_id is {stated}, the config's is {named}",
        str(folder.run_json),
        "move the folder away and launch again",
    )


def _damaged(path: Path, error: ConfigError) -> RecordError:
    return RecordError(error.what, f"{path}: {error.where}", "move it away and launch again")


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
