"""Runs tokenizations that die. A line of JSON says which and when; the exit code answers it.

Each runs in a process of its own, forked from this one, that ends at once: at its n-th action on a
file of the output, before the action, or after a time, wherever it is then.
"""

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

from models.data.tokenizing import tokenize

DIED = 9
CHANGES = {"os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.chmod"}


def die_at(action: int, out: str) -> None:
    """End this process before its action of that number, from 1."""
    seen = 0

    def count(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal seen
        if event in CHANGES or (event == "open" and str(arguments[0]).startswith(out)):
            seen += 1
            if seen == action:
                os._exit(DIED)

    sys.addaudithook(count)


def run(job: dict[str, Any]) -> None:
    if "action" in job:
        die_at(job["action"], job["out"])
    else:
        signal.setitimer(signal.ITIMER_REAL, job["seconds"])  # its signal kills
    inputs = [Path(path) for path in job["inputs"]]
    tokenize(inputs, Path(job["tokenizer"]), Path(job["out"]), job["options"], [].append)


def main() -> None:
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            run(json.loads(line))
            os._exit(0)
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
