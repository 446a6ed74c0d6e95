"""Find the exceptions in a log that ended a process. Pure.

An exception that was logged as a warning, ignored by the interpreter, raised in a side thread or
followed by further training did not end anything.
"""

import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

MOST_MESSAGE_LINES = 12
"""Lines of one message that are read. NCCL's have about ten."""

PROGRESS_AFTER = 3
"""Steps reported after an exception that show it was survived; one or two may be other ranks'."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Raised:
    """One exception, as a traceback ends."""

    kind: str
    """Its type, with its module where that was written."""
    message: str
    """What it says; several lines."""
    innermost: str
    """File of the innermost frame; empty if there was none."""
    line: int
    """Where its message begins."""
    last_line: int
    """Where its message ends."""

    @property
    def name(self) -> str:
        """Its type without the module."""
        return self.kind.rpartition(".")[2]

    @property
    def told(self) -> str:
        """It in one line."""
        first = self.message.split("\n", 1)[0]
        return f"{self.kind}: {first}"[:300] if first else self.kind


_HEAD = "Traceback (most recent call last):"
_FRAME = re.compile(r'\s+File "(?P<file>[^"]+)", line \d+')
_EXCEPTION = re.compile(r"(?P<kind>[A-Za-z_][\w.]*)(?:\([^)]*\))?(?:: ?(?P<message>.*))?$")
_SYNTAX = re.compile(r"(?:SyntaxError|IndentationError|TabError)\b")
_RECORD = re.compile(
    r"\[?\d{4}-\d\d-\d\d[T ]|\[?[EWIF]\d{4} \d\d:|(?:srun|slurmstepd|wandb|bash|torchrun): "
    r"|(?:INFO|DEBUG|WARNING|ERROR|CRITICAL)\b|During handling|The above exception"
    r"|Exception (?:ignored|in thread)|terminate called|Root Cause|\*{3} "
)
_ASIDE = re.compile(r"Exception ignored in|Exception in thread")
_SURVIVED = re.compile(
    r"retrying|will retry|\bignor(?:ed|ing)\b|go(?:es|ing) on without|continuing"
    r"|skipp(?:ed|ing)|falling back"
    r"|\bWARN(?:ING)?\b.*(?:fail|error|exception|could not|cannot|unable)",
    re.IGNORECASE,
)
_AFTER_DEATH = re.compile(r"(?:srun|slurmstepd|slurmd|wandb|torchrun)\b|E\d{4} |\*{3} ")
_LINKS = ("During handling of the above", "The above exception was the direct cause")
_PROGRESS = re.compile(r"\b(?:step|iter(?:ation)?|it)\b[ =:\[(]*\d+", re.IGNORECASE)


def raised_in(lines: Sequence[str]) -> tuple[Raised, ...]:
    """Return the exceptions that may have ended a process, in the order of the log."""
    found: list[Raised] = []
    steps = [n for n, line in enumerate(lines) if _PROGRESS.search(line)]
    before = ""
    place = 0
    while place < len(lines):
        if _HEAD not in lines[place]:
            if _is_bare_syntax_error(lines, place):
                found.append(_syntax_error(lines, place))
            place += 1
            continue
        if not _is_linked(lines, place):
            before = lines[place - 1] if place else ""
        raised = _read(lines, place)
        if raised is None:
            break
        went_on = len(steps) - bisect_right(steps, raised.line) >= PROGRESS_AFTER
        if not (went_on or _was_survived(lines, raised, before)):
            found.append(raised)
        place = raised.last_line + 1
    return tuple(found)


def _is_linked(lines: Sequence[str], place: int) -> bool:
    """Return whether a traceback belongs to the one before it."""
    before = lines[place - 1] if place else ""
    return before.startswith(_LINKS) or lines[place].startswith("Original")


def _read(lines: Sequence[str], head: int) -> Raised | None:
    """Read a traceback from its head; None if the log ends within it."""
    place, innermost = head + 1, ""
    while place < len(lines) and lines[place].startswith((" ", "\t")):
        frame = _FRAME.match(lines[place])
        innermost = frame["file"] if frame else innermost
        place += 1
    if place == len(lines):
        return None
    match = _EXCEPTION.match(lines[place])
    kind = match["kind"] if match else ""
    message = [(match["message"] or "") if match else lines[place]]
    last = place
    while last + 1 < len(lines) and last - place < MOST_MESSAGE_LINES:
        after = lines[last + 1]
        if _HEAD in after or _RECORD.match(after) or _PROGRESS.search(after):
            break
        last += 1
        message.append(lines[last])
    return Raised(
        kind=kind,
        message="\n".join(message),
        innermost=innermost,
        line=place,
        last_line=last,
    )


def _is_bare_syntax_error(lines: Sequence[str], place: int) -> bool:
    """Return whether a line is the end of a syntax error of the main file, which has no head."""
    window = lines[max(0, place - 4) : place]
    return _SYNTAX.match(lines[place]) is not None and any(map(_FRAME.match, window))


def _syntax_error(lines: Sequence[str], place: int) -> Raised:
    kind, _, message = lines[place].partition(": ")
    return Raised(kind=kind, message=message, innermost="", line=place, last_line=place)


def _was_survived(lines: Sequence[str], raised: Raised, before: str) -> bool:
    """Return whether the log says that the process went on after an exception.

    Args:
        lines: of the log.
        raised: the exception.
        before: the line before its traceback, or before the first of those that belong together.
    """
    if _ASIDE.search(before):
        return True
    later = lines[raised.last_line + 1 :]
    return bool(_SURVIVED.search(before)) and not all(map(_AFTER_DEATH.match, later))
