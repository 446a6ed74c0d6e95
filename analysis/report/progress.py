"""Where the runs of a study stand, counted for the page."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from analysis.study import StudyResults
from orchestrator.plan.observed import LIVE, Observed, State

GOING = "in progress"
"""Submitted, queued or running."""
SHOWN = ("done", GOING, "failed", "unknown", "planned")
"""What the bars count, in their order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StageProgress:
    """How far the runs of a stage are."""

    name: str
    runs: int
    counts: tuple[tuple[str, int], ...]
    """How many runs are in each state of `SHOWN`, those without any left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Failed runs of one cause."""

    cause: str
    runs: int
    example: str
    """The message of one of them."""


def stage_progress(study: StudyResults, seen: Mapping[str, Observed]) -> list[StageProgress]:
    """Return a line for each stage, in the plan's order, and one for all."""
    stages = list(dict.fromkeys(run.stage for run in study.runs))
    lines = [
        _line(name, [_word(seen[run.run_id]) for run in study.runs if run.stage == name])
        for name in stages
    ]
    return [*lines, _line("all", [_word(seen[run.run_id]) for run in study.runs])]


def failures(seen: Mapping[str, Observed]) -> list[Failure]:
    """Return the causes of failed and unknown runs, the most frequent first."""
    known = [item for item in seen.values() if item.state in (State.FAILED, State.UNKNOWN)]
    causes = Counter(_cause(item) for item in known)
    return [
        Failure(
            cause=cause,
            runs=count,
            example=next((i.message for i in known if _cause(i) == cause and i.message), ""),
        )
        for cause, count in causes.most_common()
    ]


def _word(seen: Observed) -> str:
    return GOING if seen.state in LIVE else seen.state.value


def _cause(seen: Observed) -> str:
    return seen.cause.value if seen.cause else seen.state.value


def _line(name: str, words: list[str]) -> StageProgress:
    counts = Counter(words)
    return StageProgress(
        name=name,
        runs=len(words),
        counts=tuple((word, counts[word]) for word in SHOWN if counts[word]),
    )
