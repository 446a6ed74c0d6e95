"""Say in the user's words that the disk is full."""

import errno
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from orchestrator.errors import LaunchError

DISK_FULL = (errno.ENOSPC, errno.EDQUOT)
"""No space left, or the user's quota is used up."""


@contextmanager
def full_disk_named(path: Path) -> Generator[None]:
    """Turn an error of a full disk into one that says what to do.

    Raises:
        LaunchError: if the disk that holds `path` is full.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in DISK_FULL:
            raise
        raise LaunchError(
            "the disk is full: nothing more is started, what runs goes on",
            str(path),
            "free some space, then launch again",
        ) from error
