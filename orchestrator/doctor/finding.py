"""What a check found."""

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """How a check ended."""

    WELL = "well"
    """As it should be."""
    DOUBT = "doubt"
    """It may do, or could not be found out."""
    WRONG = "wrong"
    """Runs will fail, or wait for ever."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One line of the doctor's report."""

    about: str
    """What was looked at: `slurm`, `disk`, `data`."""
    verdict: Verdict
    """How it is."""
    what: str
    """What was seen."""
    mend: str | None = None
    """What to do about it; None if nothing."""


def well(about: str, what: str) -> Finding:
    """Return that something is as it should be."""
    return Finding(about=about, verdict=Verdict.WELL, what=what)


def doubt(about: str, what: str, mend: str | None = None) -> Finding:
    """Return that something may do, or could not be found out."""
    return Finding(about=about, verdict=Verdict.DOUBT, what=what, mend=mend)


def wrong(about: str, what: str, mend: str) -> Finding:
    """Return that something has to be mended."""
    return Finding(about=about, verdict=Verdict.WRONG, what=what, mend=mend)
