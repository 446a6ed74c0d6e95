"""Call Slurm's commands: within a time, in an environment of their own."""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from orchestrator.launch.inherited import without_jobs
from orchestrator.launch.slurm.answers import ENVIRONMENT, CommandOutput

SECONDS = 60.0
"""How long a command may take. An assumption: a busy controller answers within half a minute."""

KEPT = ("SLURM_CONF", "SLURM_CONF_SERVER")
"""Those that say which cluster is meant."""


def run_command(command: Sequence[str], *, cwd: Path | None = None) -> CommandOutput:
    """Run a command and return what it left, whatever that is. Never raises for its failure."""
    try:
        done = subprocess.run(
            command,
            cwd=cwd,
            env={**without_jobs(os.environ, KEPT), **ENVIRONMENT},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as late:
        return CommandOutput(stdout=late.stdout or b"", stderr=late.stderr or b"", code=None)
    except OSError as error:
        return CommandOutput(stdout=b"", stderr=str(error).encode(), code=127)
    return CommandOutput(stdout=done.stdout, stderr=done.stderr, code=done.returncode)
