"""What a worker's exit code means. Pure."""

from enum import IntEnum

from orchestrator.plan.causes import Cause


class ExitCode(IntEnum):
    """Exit codes of `python -m orchestrator.worker`; where there is one, the number of sysexits.h.

    A negative code, as the launcher sees it, is the number of the signal that ended the process.
    """

    DONE = 0
    """The result is there; or it was there already."""
    BUG = 1
    """An error of the program: its traceback is in the log."""
    USAGE = 2
    """The command line makes no sense."""
    DATA = 65
    """A data set is missing or damaged (EX_DATAERR)."""
    INPUT = 66
    """A record, or the result of a run that this one needs, is missing or damaged (EX_NOINPUT)."""
    LEASE_HELD = 69
    """Another process writes this run, or a newer attempt was made (EX_UNAVAILABLE)."""
    OUT_OF_MEMORY = 71
    """Memory of the host or the device ran out (EX_OSERR)."""
    DISK_FULL = 74
    """No space or quota left (EX_IOERR)."""
    STOPPED = 75
    """Asked to stop; left after a checkpoint. Try again (EX_TEMPFAIL)."""
    WARNED = 76
    """Warned that its time or place is nearly gone; left after a checkpoint that is further than
    where it began. Its job is to be put back in the queue (no number of sysexits.h fits)."""
    NOT_READY = 77
    """A run that this one needs is not done (no number of sysexits.h fits)."""
    CONFIG = 78
    """A setting makes no sense, or the stage's function is not there (EX_CONFIG)."""
    HOST_MEMORY = 79
    """More host memory was taken than is allowed (no number of sysexits.h fits)."""
    DIVERGED = 80
    """The loss is no longer a number. Trying again gives the same."""


CAUSES: dict[ExitCode, Cause] = {
    ExitCode.BUG: Cause.BUG,
    ExitCode.USAGE: Cause.BUG,
    ExitCode.DATA: Cause.DATA,
    ExitCode.INPUT: Cause.INPUT,
    ExitCode.LEASE_HELD: Cause.LEASE_HELD,
    ExitCode.OUT_OF_MEMORY: Cause.OUT_OF_MEMORY,
    ExitCode.DISK_FULL: Cause.DISK_FULL,
    ExitCode.STOPPED: Cause.STOPPED,
    ExitCode.WARNED: Cause.STOPPED,
    ExitCode.NOT_READY: Cause.NOT_READY,
    ExitCode.CONFIG: Cause.CONFIG,
    ExitCode.HOST_MEMORY: Cause.HOST_MEMORY,
    ExitCode.DIVERGED: Cause.DIVERGED,
}
