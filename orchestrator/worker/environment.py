"""`environment.json`: what an attempt ran on. Versions and machine; no secret can get into it.

Environment variables are left out but for a short list of names that hold none.
"""

import os
import platform
import sys
from functools import cache
from importlib import metadata

from orchestrator.spec.codec import Plain
from orchestrator.spec.execution import Execution
from orchestrator.store.files import write_json
from orchestrator.store.layout import AttemptFolder
from orchestrator.store.versioned import FORMAT
from orchestrator.worker.code import code_version
from orchestrator.worker.process import host_name

PACKAGES = (
    "sweep-scaling", "torch", "numpy", "transformers", "tokenizers", "webdataset", "lm-eval",
    "wandb", "submitit",
)  # fmt: skip
"""Packages whose versions may matter to a result."""

VARIABLES = (
    "CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS", "PYTHONHASHSEED", "WANDB_MODE", "HF_HUB_OFFLINE",
    "SLURM_JOB_ID", "SLURM_JOB_PARTITION",
)  # fmt: skip
"""Environment variables that are recorded."""


def write_environment(attempt: AttemptFolder, execution: Execution) -> None:
    """Write `environment.json`."""
    write_json(
        attempt.environment,
        {
            "format": FORMAT,
            "host": host_name(),
            "platform": platform.platform(),
            "python": platform.python_version(),
            "executable": sys.executable,
            "versions": versions(),
            "code": code_version(),
            "device": execution.device.value,
            "threads": execution.threads,
            "cpus": os.cpu_count(),
            "variables": {name: os.environ[name] for name in VARIABLES if name in os.environ},
        },
    )


@cache
def versions() -> dict[str, Plain]:
    """Return the versions of the packages that are installed, without importing them."""
    found: dict[str, Plain] = {}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found
