"""Stop everything once runs fail alike: the fourth would, too. Pure.

Alike means the same cause and the same signature: the message without what differs from run to run
and from machine to machine.
"""

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from orchestrator.plan.causes import Cause

SAME_FAILURES = 3
"""Runs that fail in one launch in one way before nothing more is started. An assumption."""

SIGNATURE_CHARACTERS = 200
"""Length of a signature. An assumption: what tells failures apart stands at the front."""

_LEFT_OUT: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]"), ""),
    (re.compile(r"\b[a-z][a-z0-9+.-]*://\S+", re.IGNORECASE), "<address>"),
    (re.compile(r"(?<![\w<])(?:~|\.{1,2})?/[^\s'\":,;)\]}>]+"), "<path>"),
    (re.compile(r"\b\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?\b"), "<address>"),
    (re.compile(r"\b0x[0-9a-f]+\b", re.IGNORECASE), "<number>"),
    (re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", re.IGNORECASE), "<hash>"),
    (re.compile(r"\b(?=[0-9a-f]*\d)(?=[0-9a-f]*[a-f])[0-9a-f]{7,}\b", re.IGNORECASE), "<hash>"),
    (re.compile(r"(?<![\w.])[-+]?(?:\d[\d_,]*)?\.?\d+(?:e[-+]?\d+)?", re.IGNORECASE), "<number>"),
    (re.compile(r"\d+"), "<number>"),
    (re.compile(r"\s+"), " "),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """One run that failed."""

    run_id: str
    """Its name."""
    cause: Cause
    """Why."""
    message: str
    """The failure in words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trip:
    """Failures that are alike, as many as stop a launch, or more."""

    cause: Cause
    """Their cause."""
    signature: str
    """What their messages have in common."""
    message: str
    """The message of the first."""
    run_ids: tuple[str, ...]
    """The runs, in the order given."""


def signature(message: str) -> str:
    """Return a message without digits, paths, addresses and hashes, in one line."""
    text = message[: 20 * SIGNATURE_CHARACTERS]
    for pattern, word in _LEFT_OUT:
        text = pattern.sub(word, text)
    return text.strip()[:SIGNATURE_CHARACTERS]


def tripped(failures: Iterable[Failure]) -> Trip | None:
    """Return the largest group of failures that are alike, if it is large enough to stop for."""
    groups: dict[tuple[Cause, str], list[Failure]] = defaultdict(list)
    for failure in failures:
        groups[failure.cause, signature(failure.message)].append(failure)
    if not groups:
        return None
    (cause, common), alike = max(groups.items(), key=lambda item: len(item[1]))
    if len(alike) < SAME_FAILURES:
        return None
    return Trip(
        cause=cause,
        signature=common,
        message=alike[0].message,
        run_ids=tuple(failure.run_id for failure in alike),
    )
