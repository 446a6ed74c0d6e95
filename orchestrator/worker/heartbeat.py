"""Signs of life that do not depend on the length of a step: the lease's file is touched."""

import logging
import os
import threading
from collections.abc import Generator
from contextlib import contextmanager

from orchestrator.errors import SweepError
from orchestrator.store.layout import RunFolder
from orchestrator.worker.lease import Lease, read_lease

BEAT_SECONDS = 20.0
"""Time between two signs of life."""

_LOG = logging.getLogger(__name__)


@contextmanager
def beating(folder: RunFolder, lease: Lease, seconds: float = BEAT_SECONDS) -> Generator[None]:
    """Touch the lease from a thread of its own while the block goes on and the run is ours."""
    ended = threading.Event()
    thread = threading.Thread(target=_beat, args=(folder, lease, seconds, ended), daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _beat(folder: RunFolder, lease: Lease, seconds: float, ended: threading.Event) -> None:
    while not ended.wait(seconds):
        try:
            if read_lease(folder) != lease:
                return
            os.utime(folder.lease)
        except (OSError, SweepError):  # a file system that is away for a moment
            _LOG.warning("no sign of life could be given", exc_info=True)
