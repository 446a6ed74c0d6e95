"""One command at a time changes a cluster."""

import fcntl
import os
from collections.abc import Generator
from contextlib import contextmanager

from orchestrator.errors import LaunchError
from slurm.cluster.folder import ClusterFolder


@contextmanager
def locked(folder: ClusterFolder) -> Generator[None]:
    """Hold the cluster's lock; the kernel lets it go when we end, however we end.

    Raises:
        LaunchError: if another command holds it, or the folder cannot be written.
    """
    try:
        folder.path.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise LaunchError(
            f"the cluster's folder cannot be written: {error.strerror}",
            where=str(folder.path),
            mend="give --dir a folder of your own, such as --dir ~/cluster",
        ) from error
    try:
        _take(descriptor, folder)
        yield
    finally:
        os.close(descriptor)


def _take(descriptor: int, folder: ClusterFolder) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise LaunchError(
            "another command is starting or stopping this cluster",
            where=str(folder.path),
            mend="wait until it has ended, or give --dir another folder",
        ) from error
