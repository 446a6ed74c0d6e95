"""`questions.json`: which questions an evaluation asked, and in whose words."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from orchestrator.store.versioned import read_record, write_record


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedBenchmark:
    """The questions of one benchmark."""

    benchmark: str
    """Its name."""
    versions: tuple[str, ...]
    """Of the harness and its tasks: `lm-eval 0.4.9`, `arc_easy 1.0`; none without a harness."""
    n: int
    """Questions."""
    sha256: str
    """Of `question_ids`, as a JSON list without spaces: two lists are alike if these are."""
    question_ids: tuple[str, ...]
    """In the order in which they were asked."""

    @classmethod
    def of(cls, benchmark: str, question_ids: Sequence[str], versions: tuple[str, ...]) -> Self:
        """Count and hash the questions."""
        listed = json.dumps(list(question_ids), separators=(",", ":"))
        return cls(
            benchmark=benchmark,
            versions=versions,
            n=len(question_ids),
            sha256=hashlib.sha256(listed.encode()).hexdigest(),
            question_ids=tuple(question_ids),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What one evaluation asked."""

    prompt_version: int
    """Version of the words in which the vision benchmarks ask."""
    benchmarks: tuple[AskedBenchmark, ...]
    """In the order in which they were asked."""


def write_asked(path: Path, asked: Asked) -> None:
    """Write the file whole; the same questions give the same bytes."""
    write_record(path, asked)


def read_asked(path: Path) -> Asked:
    """Read the file.

    Raises:
        RecordError: if it is missing or damaged.
    """
    return read_record(Asked, path)


def differences(a: Asked, b: Asked) -> Iterator[str]:
    """Yield, in one sentence each, what two models were not asked alike."""
    if a.prompt_version != b.prompt_version:
        yield (
            f"A was asked in the words of prompt_version {a.prompt_version}, B in those of "
            f"{b.prompt_version}: a gap may be one of words"
        )
    theirs = {one.benchmark: one for one in b.benchmarks}
    for ours in a.benchmarks:
        other = theirs.pop(ours.benchmark, None)
        if other is None:
            yield f"{ours.benchmark}: only A was asked it"
            continue
        if ours.versions != other.versions:
            versions = (", ".join(one.versions) or "no harness" for one in (ours, other))
            yield f"{ours.benchmark}: other versions ({'; '.join(versions)})"
        if ours.sha256 != other.sha256:
            yield f"{ours.benchmark}: {_subsets(ours, other)}"
    yield from (f"{name}: only B was asked it" for name in theirs)


def _subsets(a: AskedBenchmark, b: AskedBenchmark) -> str:
    common = len(set(a.question_ids) & set(b.question_ids))
    if common == a.n == b.n:
        return "the same questions in another order"
    return (
        f"other subsets of questions (A {a.n:,}, B {b.n:,}): only the {common:,} that both were "
        "asked are compared"
    )
