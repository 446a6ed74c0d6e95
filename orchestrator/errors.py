"""Errors a user can mend. Each says what is wrong, where, and how to put it right."""

from typing import Self


class SweepError(Exception):
    """Base of every mendable error; the CLI prints it without a traceback.

    The three parts are positional so that the error survives pickling between processes.
    """

    def __init__(self, what: str, where: str, mend: str) -> None:
        super().__init__(what, where, mend)
        self.what = what
        self.where = where
        self.mend = mend

    def __str__(self) -> str:
        return f"{self.what}\n  where: {self.where}\n  mend:  {self.mend}"

    def within(self, outer: str) -> Self:
        """Return the same error, located inside `outer` (such as the file being read)."""
        where = f"{outer}: {self.where}" if self.where else outer
        return type(self)(self.what, where, self.mend)


class ConfigError(SweepError):
    """A declared value is missing, unknown or out of range."""


class PlanError(SweepError):
    """Valid values that together make no sensible plan."""


class LaunchError(SweepError):
    """A run cannot be started, or its place is taken."""


class RecordError(SweepError):
    """A file that a study left on disk is missing, damaged or not what it says it is."""


class DataError(SweepError):
    """A data set is missing, damaged or not in the format it is declared in."""


class FitError(SweepError):
    """A law cannot be fitted to these points in a way that could be trusted."""
