"""Read what squeue and sacct answer about many jobs. Pure.

An answer is either jobs or the reason why there is none. A line that cannot be read is kept and
counted, and the answer is then not complete: a job that it does not list may stand on that line.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, tzinfo
from enum import StrEnum

from orchestrator.launch.slurm.ids import is_cut_off, read_job_ids, read_step_id
from orchestrator.launch.slurm.jobs import SlurmJob, SlurmStep

ENVIRONMENT = {
    "SLURM_TIME_FORMAT": "%s",  # seconds since 1970: no time zone, no hour that comes twice
    "SLURM_BITSTR_LEN": "0",  # lists of array tasks are written out, however long
}
"""Variables that both commands are called with."""

# Names and comments are free text, so they stand last, where a `|` in them harms nothing. Accounts
# keep comments only where `AccountingStoreFlags` says so: a token has to be in the name.
SQUEUE = (
    "squeue",
    "--noheader",
    "--states=all",
    "--me",
    "--format=%i|%T|%V|%r|%N|%j|%k",
)
"""Asks for all jobs of the user: id, state, submit time, reason, nodes; name and comment."""

SACCT_FIELDS = (
    "JobID",
    "State",
    "ExitCode",
    "Submit",
    "ElapsedRaw",
    "TimelimitRaw",
    "NodeList",
    "JobName",
    "Comment",
)


def sacct_command(since: datetime, numbers: Sequence[int] = ()) -> tuple[str, ...]:
    """Return the sacct call for jobs of the user that were there at or after an instant.

    Without a start sacct forgets what ended before midnight, and without `--duplicates` all
    but the last life of a job that was requeued or whose number was given out again. Jobs that
    never became eligible (held, or waiting for another) are listed only if they are asked for
    by number.

    Args:
        since: with a time zone; the time of the oldest attempt that is not settled.
        numbers: the numbers of all jobs to be looked for; none if one of them is not known.
    """
    start = since.astimezone(UTC) - timedelta(days=1)  # sacct reads it in its own time zone
    return (
        "sacct",
        "--noheader",
        "--parsable2",
        "--duplicates",
        f"--starttime={start:%Y-%m-%dT%H:%M:%S}",
        *([f"--jobs={','.join(map(str, sorted(set(numbers))))}"] if numbers else []),
        f"--format={','.join(SACCT_FIELDS)}",
    )


class Silence(StrEnum):
    """Why a command gave no answer."""

    DISABLED = "disabled"
    """The cluster keeps no accounts: asking again is of no use."""
    UNREACHABLE = "unreachable"
    """The controller or the database does not answer."""
    TIMED_OUT = "timed_out"
    """The command did not end in time."""
    FAILED = "failed"
    """The command is missing or refuses."""
    GARBLED = "garbled"
    """Not one line could be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandOutput:
    """What a command left behind."""

    stdout: bytes
    """Its standard output."""
    stderr: bytes
    """Its standard error."""
    code: int | None
    """Its exit code; None if it was ended for taking too long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """An answer."""

    jobs: tuple[SlurmJob, ...]
    """The jobs, in the order they came; one id may come several times."""
    garbled: tuple[str, ...]
    """Lines that could not be read."""
    complete: bool
    """Whether a job that is not listed is not there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unanswered:
    """No answer: nothing is known about any job."""

    silence: Silence
    """Why, in kind."""
    reason: str
    """Why, in the command's words."""


Answer = Told | Unanswered


def read_squeue(output: CommandOutput, zone: tzinfo) -> Answer:
    """Read what `SQUEUE` printed.

    Args:
        output: of the command.
        zone: of times that are written as dates, should a site override the format.
    """
    silent = _silence(output)
    if silent:
        return silent
    jobs: list[SlurmJob] = []
    garbled: list[str] = []
    cut = False
    for line, whole in _joined(_lines(output.stdout), SQUEUE[-1].count("|")):
        found = _squeue_line(line, zone) if whole else None
        if found is None:
            garbled.append(line)
            continue
        jobs.extend(found)
        cut = cut or is_cut_off(line.split("|", 1)[0])
    return _told(jobs, garbled, cut=cut, output=output)


def read_sacct(output: CommandOutput, zone: tzinfo) -> Answer:
    """Read what `sacct_command` printed; steps go to the job above them.

    Args:
        output: of the command.
        zone: of times that are written as dates, should a site override the format.
    """
    silent = _silence(output)
    if silent:
        return silent
    jobs: list[SlurmJob] = []
    garbled: list[str] = []
    for line, whole in _joined(_lines(output.stdout), len(SACCT_FIELDS) - 1):
        if not whole or not _sacct_line(line, jobs, zone):
            garbled.append(line)
    return _told(jobs, garbled, cut=False, output=output)


_WORD = re.compile(r"[A-Za-z_]*\+?(?: by \S+)?$")
_ENDING = re.compile(r"(?:\d+(?::\d+)?)?$")
_NO_NODES = "None assigned"
_NO_TIME = ("", "N/A", "None", "Unknown")
_TIME = re.compile(r"(?:\d+|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d|N/A|None|Unknown|)$")
_CLEAN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_DISABLED = re.compile(r"accounting[ _]storage (?:is )?disabled", re.IGNORECASE)
_UNREACHABLE = re.compile(
    r"unable to contact|socket timed out|connection refused|persist_conn|slurmdbd|database"
    r"|zero bytes were transmitted|unable to connect|communication|in standby mode"
    r"|rate limit|temporarily unavailable",
    re.IGNORECASE,
)


def _silence(output: CommandOutput) -> Unanswered | None:
    said = _CLEAN.sub("", output.stderr.decode("utf-8", "replace")).strip()
    said = said or _CLEAN.sub("", output.stdout[:500].decode("utf-8", "replace")).strip()
    last = said.splitlines()[-1] if said else "it said nothing"
    if output.code is None:
        return Unanswered(silence=Silence.TIMED_OUT, reason=f"no answer in time: {last}")
    if _DISABLED.search(output.stderr.decode("utf-8", "replace")):
        return Unanswered(silence=Silence.DISABLED, reason=last)
    if output.code == 0:
        return None
    silence = Silence.UNREACHABLE if _UNREACHABLE.search(said) else Silence.FAILED
    return Unanswered(silence=silence, reason=f"{last} (exit code {output.code})")


def _lines(stdout: bytes) -> list[tuple[str, bool]]:
    """Return each line and whether it is whole: an answer that was cut off has no last newline."""
    text = stdout.decode("utf-8", "replace")
    lines = text.split("\n")
    pairs = [(line, True) for line in lines[:-1]] + [(lines[-1], False)]
    return [(line, whole) for line, whole in pairs if line.strip()]


def _joined(lines: list[tuple[str, bool]], bars: int) -> list[tuple[str, bool]]:
    """Put lines together that a line break in a name has parted: the last `|` is missing."""
    joined: list[tuple[str, bool]] = []
    for line, whole in lines:
        before = joined[-1][0] if joined else ""
        is_parted = before.count("|") == bars - 1 and _begins_job(before, bars)
        if is_parted and not _begins_job(line, bars):
            joined[-1] = (f"{before}\n{line}", whole)
        else:
            joined.append((line, whole))
    return joined


def _begins_job(line: str, bars: int) -> bool:
    ids = line.split("|", 1)[0]
    is_known = read_job_ids(ids) is not None or read_step_id(ids) is not None
    return line.count("|") >= bars - 1 and is_known


def _told(
    jobs: Sequence[SlurmJob], garbled: Sequence[str], *, cut: bool, output: CommandOutput
) -> Answer:
    if garbled and not jobs:
        reason = f"{len(garbled)} lines, none of which could be read: {garbled[0][:200]!r}"
        return Unanswered(silence=Silence.GARBLED, reason=reason)
    complete = not garbled and not cut and b"error:" not in output.stderr.lower()
    return Told(jobs=tuple(jobs), garbled=tuple(garbled), complete=complete)


def _squeue_line(line: str, zone: tzinfo) -> list[SlurmJob] | None:
    """Return the jobs of a line, one for each task; None if it cannot be read."""
    parts = line.split("|", 5)
    if len(parts) < 6 or "|" not in parts[5]:
        return None
    ids, word, submitted, reason, nodes, label = parts
    tasks = read_job_ids(ids)
    if tasks is None or not _WORD.match(word) or not _TIME.match(submitted):
        return None
    time = _time(submitted, zone)
    return [
        SlurmJob(task=task, word=word, submitted=time, label=label, nodes=nodes, reason=reason)
        for task in tasks
    ]


def _sacct_line(line: str, jobs: list[SlurmJob], zone: tzinfo) -> bool:
    """Add a line's jobs to those before it, or its step to the last of them; False if unread."""
    parts = line.split("|", len(SACCT_FIELDS) - 2)
    if len(parts) < len(SACCT_FIELDS) - 1 or "|" not in parts[-1]:
        return False
    ids, word, exit_code, submitted, elapsed, limit, nodes, label = parts
    if not (_WORD.match(word) and _TIME.match(submitted) and _ENDING.match(exit_code)):
        return False
    code, signal = _ending(exit_code)
    step = read_step_id(ids)
    if step is not None:
        if not jobs or jobs[-1].task != step.task:
            return False
        made = SlurmStep(name=step.name, word=word, code=code, signal=signal)
        jobs[-1] = replace(jobs[-1], steps=(*jobs[-1].steps, made))
        return True
    tasks = read_job_ids(ids)
    minutes, time = _number(limit), _time(submitted, zone)
    for task in tasks or ():
        job = SlurmJob(
            task=task,
            word=word,
            submitted=time,
            label=label,
            nodes="" if nodes == _NO_NODES else nodes,
            code=code,
            signal=signal,
            seconds=_number(elapsed),
            limit_seconds=None if minutes is None else 60.0 * minutes,
        )
        jobs.append(job)
    return tasks is not None


def _time(text: str, zone: tzinfo) -> datetime | None:
    if text in _NO_TIME:
        return None
    try:
        if text.isdecimal():
            return datetime.fromtimestamp(int(text), UTC)
        return datetime.fromisoformat(text).replace(tzinfo=zone)
    except (ValueError, OverflowError, OSError):
        return None


def _ending(text: str) -> tuple[int | None, int | None]:
    """Return exit code and signal of `code:signal`."""
    code, _, signal = text.partition(":")
    return (int(code) if code else None), (int(signal) or None if signal else None)


def _number(text: str) -> float | None:
    return float(text) if text.isdecimal() else None
