"""Run attempts as processes of this machine, in slots of CPUs or GPUs."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from typing import Protocol

from orchestrator.errors import LaunchError
from orchestrator.launch.backend import Ended, Job
from orchestrator.launch.cold import ColdStarter
from orchestrator.launch.config import Start
from orchestrator.launch.forked import WarmStarter
from orchestrator.launch.inherited import without_jobs
from orchestrator.launch.leaving import ask_to_leave
from orchestrator.spec.execution import Device, Execution
from orchestrator.store.layout import RunFolder

THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
"""What the numeric libraries read when they are imported."""


class Starter(Protocol):
    """A way to bring workers to life."""

    def start(self, job: Job, environment: Mapping[str, str]) -> None:
        """Start an attempt."""
        ...

    def poll(self, seconds: float) -> tuple[Ended, ...]:
        """Wait for the first end, at most `seconds`, and return all ends not yet told."""
        ...

    def close(self, *, hurry: bool) -> tuple[Ended, ...]:
        """Let go of all; return the attempts that had not come to life and now never will."""
        ...


class LocalBackend:
    """This machine."""

    name = "local"

    def __init__(
        self, starter: Starter, *, slots: int, execution: Execution, devices: tuple[str, ...] = ()
    ) -> None:
        """Start nothing yet.

        Args:
            starter: brings workers to life.
            slots: runs at once. At least 1.
            execution: how they run.
            devices: GPUs by the names of CUDA_VISIBLE_DEVICES, given to the slots in turn.
        """
        self.slots = slots
        self._starter = starter
        self._execution = execution
        self._devices = devices

    def submit(self, jobs: Sequence[Job]) -> None:
        """Start attempts."""
        for job in jobs:
            self._starter.start(job, self._environment(job))

    def poll(self, seconds: float) -> tuple[Ended, ...]:
        """Wait for the first end, at most `seconds`, and return all ends not yet told."""
        return self._starter.poll(seconds)

    def cancel(self, folders: Sequence[RunFolder]) -> None:
        """Ask the holders of leases to checkpoint and leave, if they live on this machine."""
        for folder in folders:
            ask_to_leave(folder)

    def close(self, *, hurry: bool) -> tuple[Ended, ...]:
        """Let go of all; return the attempts that had not come to life and now never will."""
        return self._starter.close(hurry=hurry)

    def _environment(self, job: Job) -> dict[str, str]:
        environment = without_jobs(os.environ)
        threads = str(self._execution.threads)
        environment |= dict.fromkeys(THREAD_VARIABLES, threads)
        environment |= {"PYTHONUNBUFFERED": "1", "TOKENIZERS_PARALLELISM": "false"}
        if self._devices and job.intent.slot is not None:
            environment["CUDA_VISIBLE_DEVICES"] = self._devices[
                job.intent.slot % len(self._devices)
            ]
        return environment


def local_backend(
    execution: Execution, *, slots: int | None, start: Start, functions: tuple[str, ...]
) -> LocalBackend:
    """Return this machine, with a slot for each GPU, or for as many runs as its CPUs carry.

    Args:
        execution: how runs compute. On a GPU each run is a fresh process, as CUDA allows no fork.
        slots: runs at once; None for one on each GPU, or on each `threads` CPUs.
        start: how workers come to life.
        functions: stage functions to import beforehand in a warm start.

    Raises:
        LaunchError: if CUDA is asked for and no GPU is seen.
    """
    devices = visible_gpus() if execution.device is Device.CUDA else ()
    if execution.device is Device.CUDA and not devices:
        raise LaunchError(
            "no GPU is visible here",
            "device: cuda",
            "launch on a machine with a GPU, or with --device cpu",
        )
    cold = start is Start.COLD or execution.device is Device.CUDA
    usual = len(devices) or max(1, usable_cpus() // execution.threads)
    return LocalBackend(
        ColdStarter() if cold else WarmStarter(functions),
        slots=slots or usual,
        execution=execution,
        devices=devices,
    )


def usable_cpus() -> int:
    """Return the CPUs that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def visible_gpus() -> tuple[str, ...]:
    """Return the GPUs that this process may use, by the names of CUDA_VISIBLE_DEVICES."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        return tuple(name.strip() for name in named.split(",") if name.strip() not in ("", "-1"))
    try:
        listed = subprocess.run(
            ["nvidia-smi", "--query-gpu=index", "--format=csv,noheader"],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ()
    return tuple(listed.stdout.split()) if listed.returncode == 0 else ()
