"""Turn the end of a log into lines that can be judged. `read_tail` reads a file; the rest is pure.

Logs of training jobs hold colours, progress bars, bytes of no encoding, lines of megabytes and
thousands of repetitions; none of that may hide or invent a cause.
"""

import re
from collections import deque
from pathlib import Path

TAIL_BYTES = 512 * 1024
"""How much of the end of a log is read. An assumption: a traceback takes a few kilobytes."""

LINE_CHARACTERS = 2_000
"""Longer lines keep their beginning and their end."""

MOST_LINES = 5_000
"""Lines that are judged, from the end."""

_NEAR = 8
"""A line that repeats one of so many before it is left out: several processes take turns."""

_COLOUR = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x0c\x0e-\x1f\x7f]")
_RANK = re.compile(r"^(?:\[(?:rank|default)\d+\]:\s?|\s{0,3}\d{1,5}: |\(\w+ pid=\d+[^)]*\) )+")
_TRACEBACK = "Traceback (most recent call last):"


def read_tail(path: Path) -> bytes:
    """Return the last bytes of a file; none if it cannot be read."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - TAIL_BYTES))
            return file.read(TAIL_BYTES)
    except OSError:
        return b""


def clean_lines(raw: bytes) -> tuple[str, ...]:
    """Return lines without colours, marks of ranks and repetitions; a progress bar is several."""
    text = raw[-TAIL_BYTES:].decode("utf-8", "replace")
    text = _COLOUR.sub("", text).replace("\r", "\n")
    lines: list[str] = []
    near: deque[str] = deque(maxlen=_NEAR)
    for piece in text.split("\n"):
        line = _clean(piece)
        if not line.strip() or (line in near and not _belongs_to_traceback(line)):
            continue
        near.append(line)
        lines.append(line)
    return tuple(lines[-MOST_LINES:])


def _clean(piece: str) -> str:
    line = _CONTROL.sub("", piece).rstrip()
    if len(line) > LINE_CHARACTERS:
        half = LINE_CHARACTERS // 2
        line = f"{line[:half]} ... {line[-half:]}"
    line = _RANK.sub("", line)
    place = line.find(_TRACEBACK)
    if place > 0 and not line[:place].rstrip().endswith(("Original", "Group")):
        return line[place:]  # a progress bar had not ended its line
    return line


def _belongs_to_traceback(line: str) -> bool:
    return line.startswith((" ", _TRACEBACK))
