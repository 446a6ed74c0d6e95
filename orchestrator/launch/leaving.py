"""Ask the process that holds a run to save and leave."""

import os
import signal
from contextlib import suppress

from orchestrator.store.layout import RunFolder
from orchestrator.worker.lease import read_lease
from orchestrator.worker.process import host_name, process_start


def ask_to_leave(folder: RunFolder) -> bool:
    """Signal the holder of a run, and return whether it lives on this machine.

    Raises:
        RecordError: if the lease is damaged.
    """
    lease = read_lease(folder)
    if lease is None or lease.host != host_name():
        return False
    if process_start(lease.pid) != lease.process_start:
        return False
    with suppress(ProcessLookupError):  # it has just ended
        os.kill(lease.pid, signal.SIGTERM)
    return True
