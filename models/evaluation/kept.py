"""Outcomes of finished benchmarks, kept in the run's folder while an evaluation goes on.

Each is one file, whole or not there; a damaged one is as good as none, and its benchmark is asked
again. They go when the evaluation has its answers.
"""

import hashlib
import json
import shutil
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from models.evaluation.meter import Meter
from models.evaluation.outcome import Outcome
from models.training.ranks import Ranks
from orchestrator.errors import ConfigError
from orchestrator.spec.codec import decode, encode
from orchestrator.store.files import write_text


class Kept:
    """The outcomes of an evaluation's first benchmarks, in their order."""

    def __init__(
        self,
        folder: Path,
        benchmarks: tuple[str, ...],
        *,
        ranks: Ranks,
        holding: Callable[[], AbstractContextManager[None]],
    ) -> None:
        """Keep nothing yet.

        Args:
            folder: where the files lie; nothing else does.
            benchmarks: names, in the order in which they are asked.
            ranks: the processes that ask; the first one reads and writes.
            holding: gives contexts in which nobody can take the run over.
        """
        self._folder = folder
        self._benchmarks = benchmarks
        self._ranks = ranks
        self._holding = holding

    def read(self) -> list[Outcome]:
        """Return the outcomes up to the first that is not there, or damaged; alike on all."""
        return self._ranks.firsts(self._read() if self._ranks.world.is_first else None)

    def keep(self, number: int, outcome: Outcome) -> None:
        """Keep the outcome of one benchmark, by its number from 0."""
        if not self._ranks.world.is_first:
            return
        content = json.dumps(encode(outcome))
        with self._holding():
            write_text(self._path(number), f"{_sha256(content)}\n{content}\n")

    def clear(self) -> None:
        """Forget them all."""
        if self._ranks.world.is_first and self._folder.exists():
            with self._holding():
                shutil.rmtree(self._folder)

    def _read(self) -> list[Outcome]:
        outcomes: list[Outcome] = []
        for number, benchmark in enumerate(self._benchmarks):
            outcome = _read(self._path(number))
            if outcome is None or outcome.benchmark != benchmark:
                break
            outcomes.append(outcome)
        return outcomes

    def _path(self, number: int) -> Path:
        return self._folder / f"{number}.json"


def ask_in_turn(
    meter: Meter, steps: Sequence[int], ask: Callable[[int], Outcome], kept: Kept | None
) -> list[Outcome]:
    """Ask one benchmark after the other, behind those whose outcomes are kept.

    Args:
        meter: told how many steps there are, and how many were taken earlier.
        steps: of each benchmark.
        ask: asks the benchmark of a number, and tells the meter of its steps.
        kept: keeps each outcome; None if nothing is kept.
    """
    outcomes = [] if kept is None else kept.read()
    done = len(outcomes)
    meter.expect(sum(steps))
    meter.resume(sum(steps[:done]), sum(len(outcome.answers) for outcome in outcomes))
    for number in range(done, len(steps)):
        outcome = ask(number)
        if kept is not None:
            kept.keep(number, outcome)
        outcomes.append(outcome)
    return outcomes


def _read(path: Path) -> Outcome | None:
    """Return an outcome; None if its file is missing or not what was written."""
    try:
        vouched, _, content = path.read_text(encoding="utf-8").partition("\n")
        content = content.removesuffix("\n")
        if vouched != _sha256(content):
            return None
        return decode(Outcome, json.loads(content))
    except (OSError, ValueError, ConfigError):  # an older version may have written other fields
        return None


def _sha256(content: str) -> str:
    return hashlib.sha256(content.encode()).hexdigest()
