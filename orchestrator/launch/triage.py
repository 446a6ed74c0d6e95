"""Say why an attempt ended without a result, from everything that is left of it. Pure.

The order of evidence: a step that the memory killer ended; what the worker itself wrote down; the
scheduler's word; the exit code, where it is the worker's; the logs of all ranks, where the first
cause counts and not what it brought about; a signal; else unknown.
"""

import signal as signals
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from orchestrator.launch.evidence import Evidence
from orchestrator.launch.exception_signs import sign_of
from orchestrator.launch.line_signs import first_notice, line_signs, notice_in
from orchestrator.launch.log_signs import Sign, Weight
from orchestrator.launch.log_tail import clean_lines
from orchestrator.launch.slurm.states import read_state
from orchestrator.launch.srun_words import end_told
from orchestrator.launch.tracebacks import raised_in
from orchestrator.plan.causes import Cause
from orchestrator.spec.slurm_site import Requeue
from orchestrator.worker.exit_codes import CAUSES, ExitCode

OOM_SIGNAL = 125
"""Slurm's mark, in place of a signal, on a step that the memory killer visited (`0:125`)."""

BEFORE_LIMIT_SECONDS = 600.0
"""A stop so near the time limit is the limit's. An assumption: warnings come 90 to 300 s early."""

BEFORE_LIMIT_SHARE = 0.2
"""The same for short jobs, as a share of the limit."""

_DYING_LINES = 10
"""Lines that may follow a fatal error in a log that then hangs until its time is up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """A cause, and what it was read from."""

    cause: Cause
    """Why the attempt ended."""
    why: str
    """The evidence in one line."""


def triage(evidence: Evidence) -> Verdict:
    """Say why an attempt ended without a result."""
    logs = tuple(clean_lines(log) for log in evidence.logs)
    if evidence.state is not None and evidence.worker_signal is None:
        evidence = _with_words_of_srun(evidence, logs)
    scheduled = _scheduled(evidence)
    for verdict in (
        _memory_killer(evidence),
        _own_word(evidence, logs),
        _time_spent_dead(scheduled, logs),
        scheduled,
        _stopped(evidence, logs),
        _noticed(logs),
        _own_code(evidence, logs),
        _logged(evidence, logs),
        _signalled(evidence),
    ):
        if verdict is not None:
            return verdict
    return Verdict(cause=Cause.UNKNOWN, why=_nothing(evidence))


def _with_words_of_srun(evidence: Evidence, logs: Sequence[Sequence[str]]) -> Evidence:
    """Add what srun printed where accounts do not tell; it leaves with a signal's number."""
    code, signal = end_told(logs)
    if signal is not None and evidence.code in (None, 0, signal, 128 + signal):
        return replace(evidence, signal=signal)
    return evidence if evidence.code else replace(evidence, code=code or evidence.code)


def _memory_killer(evidence: Evidence) -> Verdict | None:
    """Judge by the marks of the memory killer, which count whatever the job's exit code is."""
    ends = [("the job", evidence.state or "", evidence.signal)]
    ends += [(f"step {step.name}", step.word, step.signal) for step in evidence.steps]
    for name, word, signal in ends:
        killed = read_state(word, Requeue.CANCEL).cause is Cause.HOST_MEMORY
        if killed or signal == OOM_SIGNAL:
            return Verdict(cause=Cause.HOST_MEMORY, why=f"{name} ended as {word or signal}")
    return None


def _own_word(evidence: Evidence, logs: Sequence[Sequence[str]]) -> Verdict | None:
    """Judge by the attempt's own record, unless something else stopped the attempt."""
    named, told = evidence.named, evidence.message or ""
    if named is None or named in (Cause.STOPPED, Cause.KILLED, Cause.UNKNOWN):
        return None
    if named not in (Cause.BUG, Cause.OUT_OF_MEMORY):
        return Verdict(cause=named, why=told or f"the worker names {named.value}")
    sign = _heaviest(logs, after_own_report=True)
    if named is Cause.OUT_OF_MEMORY:
        narrow = (Cause.GPU_MEMORY, Cause.HOST_MEMORY)
        cause = sign.cause if sign and sign.cause in narrow else _memory_by_message(told)
        return Verdict(cause=cause, why=told or "the worker names memory")
    if sign is None or sign.weight is Weight.AFTERMATH:
        return Verdict(cause=Cause.BUG, why=told or "the worker names an error of the program")
    if sign.weight is Weight.BROKEN_LINK and (_scheduled(evidence) or _noticed(logs)):
        return None  # the link broke because the scheduler ended the others
    return Verdict(cause=sign.cause, why=sign.told)


def _memory_by_message(message: str) -> Cause:
    if message.startswith(("CUDA ", "HIP ")):
        return Cause.GPU_MEMORY
    if (
        "[Errno 12]" in message
        or "DefaultCPUAllocator" in message
        or "Unable to allocate" in message
    ):
        return Cause.HOST_MEMORY
    return Cause.OUT_OF_MEMORY


def _scheduled(evidence: Evidence) -> Verdict | None:
    """Judge by the scheduler's word for the job, where it names a cause."""
    if evidence.state is None:
        return None
    reading = read_state(evidence.state, Requeue.CANCEL)
    if reading.cause is None:
        return None
    return Verdict(cause=reading.cause, why=f"the scheduler says {evidence.state.strip()}")


def _time_spent_dead(scheduled: Verdict | None, logs: Sequence[Sequence[str]]) -> Verdict | None:
    """Find the error that killed one rank while the others waited until the time was up."""
    if scheduled is None or scheduled.cause is not Cause.TIME_LIMIT:
        return None
    for lines in logs:
        before = lines[: first_notice(lines)]
        sign = _heaviest((before,))
        if sign is None or sign.weight < Weight.ERROR:
            continue
        if len(before) - sign.line <= _DYING_LINES:
            return Verdict(
                cause=sign.cause, why=f"{sign.told} (then it hung until its time was up)"
            )
    return None


def _stopped(evidence: Evidence, logs: Sequence[Sequence[str]]) -> Verdict | None:
    """Judge an attempt that was asked to stop and did, by who may have asked."""
    if Cause.STOPPED not in (evidence.named, CAUSES.get(_worker_code(evidence))):
        return None
    if _near_limit(evidence):
        return Verdict(cause=Cause.TIME_LIMIT, why="it was asked to stop as its time was nearly up")
    noticed = _noticed(logs)
    return noticed or Verdict(cause=Cause.STOPPED, why=evidence.message or "it was asked to stop")


def _near_limit(evidence: Evidence) -> bool:
    limit, seconds = evidence.limit_seconds, evidence.seconds
    if limit is None or seconds is None:
        return False
    return seconds >= limit - min(BEFORE_LIMIT_SECONDS, BEFORE_LIMIT_SHARE * limit)


def _noticed(logs: Sequence[Sequence[str]]) -> Verdict | None:
    """Judge by what the scheduler wrote into the log as it ended the job."""
    for lines in logs:
        notice = notice_in(lines)
        if notice is None:
            continue
        sign = _heaviest((lines[: notice.line],))
        if notice.cause is Cause.CANCELLED and sign and sign.weight >= Weight.ERROR:
            continue  # the job was ended because of what had happened before
        return Verdict(cause=notice.cause, why=notice.told)
    return None


def _worker_code(evidence: Evidence) -> ExitCode:
    """Return the worker's exit code; `bug` for what is none of its own."""
    try:
        return ExitCode(evidence.worker_code or 0)
    except ValueError:
        return ExitCode.BUG


def _own_code(evidence: Evidence, logs: Sequence[Sequence[str]]) -> Verdict | None:
    """Judge by an exit code that only our worker gives."""
    code = _worker_code(evidence)
    if code in (ExitCode.DONE, ExitCode.BUG, ExitCode.USAGE):
        return None
    if code is ExitCode.OUT_OF_MEMORY:
        sign = _heaviest(logs)
        if sign and sign.cause in (Cause.GPU_MEMORY, Cause.HOST_MEMORY):
            return Verdict(cause=sign.cause, why=sign.told)
    return Verdict(cause=CAUSES[code], why=f"the worker left with code {code.value}")


def _logged(evidence: Evidence, logs: Sequence[Sequence[str]]) -> Verdict | None:
    """Judge by the heaviest sign in the logs.

    A process of ours that a signal from outside ended did not end by an exception, whatever
    exceptions its log holds; only the machine's own word counts then.
    """
    sign = _heaviest(logs)
    if sign is None or (sign.weight is Weight.AFTERMATH and sign.cause is Cause.UNKNOWN):
        return None
    if -(evidence.code or 0) in _SIGNALS_FROM_OUTSIDE and sign.cause not in _OF_THE_MACHINE:
        return None
    return Verdict(cause=sign.cause, why=sign.told)


def _heaviest(logs: Sequence[Sequence[str]], *, after_own_report: bool = False) -> Sign | None:
    """Return the sign nearest to the first cause: the heaviest, and of those the earliest.

    Args:
        logs: lines of each rank.
        after_own_report: whether only what the worker reported last counts, if it reported.
    """
    best: Sign | None = None
    for lines in logs:
        start = _report(lines) if after_own_report else 0
        for sign in _signs(lines):
            if sign.line >= start and (best is None or sign.weight > best.weight):
                best = sign
    return best


def _report(lines: Sequence[str]) -> int:
    """Return where the worker reports its failure; 0 if it does not."""
    marks = [n for n, line in enumerate(lines) if "orchestrator.worker.entry: the stage" in line]
    return marks[-1] if marks else 0


def _signs(lines: Sequence[str]) -> Iterator[Sign]:
    """Return the signs of one log in its order."""
    raised = raised_in(lines)
    signs = [sign for sign in map(sign_of, raised) if sign is not None]
    within = frozenset(n for r in raised for n in range(r.line, r.last_line + 1))
    yield from sorted([*signs, *line_signs(lines, within)], key=lambda sign: sign.line)


_PROGRAM_SIGNALS = (
    signals.SIGSEGV,
    signals.SIGILL,
    signals.SIGFPE,
    signals.SIGABRT,
    signals.SIGBUS,
)


_SIGNALS_FROM_OUTSIDE = (signals.SIGKILL, signals.SIGTERM, signals.SIGHUP)
_OF_THE_MACHINE = (Cause.HOST_MEMORY, Cause.NODE_FAILURE)


def _signalled(evidence: Evidence) -> Verdict | None:
    """Judge by a signal alone: a fault of the program, or somebody else's doing."""
    number = _signal_number(evidence)
    if number is None:
        return None
    try:
        name = signals.Signals(number).name
    except ValueError:
        return None
    if number in _PROGRAM_SIGNALS:
        return Verdict(cause=Cause.BUG, why=f"the program failed with {name}")
    return Verdict(cause=Cause.KILLED, why=f"killed by {name}, and nothing tells by whom")


def _signal_number(evidence: Evidence) -> int | None:
    """Return the signal, also from a code that a shell made of it (128 and more)."""
    if evidence.worker_signal:
        return evidence.worker_signal
    code = evidence.code or 0
    if code < 0:
        return -code
    return code - 128 if 128 < code < 128 + 65 else None


def _nothing(evidence: Evidence) -> str:
    state = f"state {evidence.state}" if evidence.state else "no state of a scheduler"
    code = "no exit code" if evidence.code is None else f"exit code {evidence.code}"
    return f"nothing tells why: {state}, {code}"
