"""How `srun` says that a process ended, where no accounts tell. Pure."""

import re
import signal
from collections.abc import Sequence

_END = re.compile(
    r"^srun: error: [^:\n]+: tasks? [^:\n]+: "
    r"(?:Exited with exit code (?P<code>\d+)|(?P<word>[^\n]+))"
)
_WORDS = {
    words: number
    for number in signal.valid_signals()
    if (words := signal.strsignal(number)) is not None
}
"""Signals by the words of the C library, which srun prints."""


def end_told(logs: Sequence[Sequence[str]]) -> tuple[int | None, int | None]:
    """Return exit code and signal of the first process that srun says has ended.

    Args:
        logs: lines of each log.
    """
    for lines in logs:
        for line in lines:
            found = _END.match(line)
            if found is None:
                continue
            if found["code"] is not None:
                return int(found["code"]), None
            words = found["word"].removesuffix(" (core dumped)")
            if words in _WORDS:
                return None, _WORDS[words]
    return None, None
