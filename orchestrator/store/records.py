"""The records a run leaves on disk: typed, read strictly, written whole.

A record that is missing, damaged or about something else is a `RecordError` that names the file.
"""

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import cast

from orchestrator.errors import ConfigError, RecordError
from orchestrator.plan.plan import Axis
from orchestrator.spec.codec import Plain, decode, encode
from orchestrator.spec.identity import run_id
from orchestrator.spec.run import STAGES, RunConfig, Stage
from orchestrator.store.files import write_json
from orchestrator.store.layout import RunFolder, StudyFolder
from orchestrator.store.stage import Measure, StageResult
from orchestrator.store.versioned import (
    FORMAT,
    damaged_record,
    load_record,
    read_record,
    versioned,
    write_record,
)


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
    mfu: float | None = None
    """Recent model FLOP utilisation, 1 at the devices' peak; None if not known."""
    memory_mib: float | None = None
    """Most resident memory so far, of the first process; None if nobody measured it."""
    device_memory_mib: float | None = None
    """Most memory held on its device so far; None on a CPU."""


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
    write_record(folder.run_json, record)


def read_run(folder: RunFolder) -> RunRecord:
    """Read `run.json`.

    Raises:
        RecordError: if it is missing, damaged, or describes another run than the folder's name.
    """
    path = folder.run_json
    value = load_record(path)
    try:
        stage = decode(Stage, value.get("stage"), "stage")
        value["config"] = decode(STAGES[stage], value.get("config"), "config")
        record = decode(RunRecord, value)
    except ConfigError as error:
        raise damaged_record(path, error) from error
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

    Parts of a write that a crash cut off (hidden names) do not count. Another launcher may write
    the record between a caller's look for it and this one.

    Raises:
        RecordError: naming what lies there.
    """
    if not folder.path.exists():
        return
    if not folder.path.is_dir():
        raise RecordError("a file lies in its place", str(folder.path), "move the file away")
    found = sorted(path.name for path in folder.path.iterdir() if not path.name.startswith("."))
    if found and not folder.run_json.exists():
        raise RecordError(
            f"the folder has no run.json but holds {', '.join(found[:5])}",
            str(folder.path),
            "move the folder away and launch again",
        )


def write_progress(folder: RunFolder, record: ProgressRecord) -> None:
    """Replace `progress.json`.

    It is not flushed to disk: after a power cut the process it speaks of is gone anyway, and
    readers only need the old content or the new.
    """
    temporary = folder.progress.with_name(f".{folder.progress.name}.part")
    temporary.write_text(json.dumps(versioned(record), sort_keys=True) + "\n", encoding="utf-8")
    temporary.replace(folder.progress)


def read_progress(folder: RunFolder) -> ProgressRecord | None:
    """Read `progress.json`; None if the run has not said anything yet.

    Raises:
        RecordError: if it is damaged.
    """
    return read_record(ProgressRecord, folder.progress) if folder.progress.exists() else None


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
    value = load_record(path)
    try:
        measures = decode(tuple[Measure, ...], value.get("measures"), "measures")
        counts = _counts(value.get("counts"))
    except ConfigError as error:
        raise damaged_record(path, error) from error
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
    marked = load_record(folder.done).get("sha256")
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
        owner = load_record(folder.study_json).get("study")
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


def _another_run(folder: RunFolder, stated: str, named: str) -> RecordError:
    return RecordError(
        f"the folder is {folder.run_id}, run_id is {stated}, the config's is {named}",
        str(folder.run_json),
        "move the folder away and launch again",
    )


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
