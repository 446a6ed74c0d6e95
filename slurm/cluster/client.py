"""Slurm's own commands, asked about one cluster."""

import os
import subprocess

from slurm.cluster.folder import ClusterFolder
from slurm.cluster.programs import find_program, search_path

_SECONDS = 30
"""A command that takes longer counts as one that failed."""

_OPTION_VARIABLES = ("SLURM", "SBATCH_", "SRUN_", "SQUEUE_", "SINFO_", "SACCT_", "SCANCEL_")
"""Variables by which a user's shell changes what Slurm's commands do and print."""


def client_environment(folder: ClusterFolder) -> dict[str, str]:
    """Return our environment, pointed at this cluster and at no other."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(_OPTION_VARIABLES)}
    return kept | {"SLURM_CONF": str(folder.slurm_conf), "PATH": search_path()}


def ask(folder: ClusterFolder, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run one of Slurm's commands and return what it said, whatever its exit code.

    Raises:
        LaunchError: if the command is not installed.
    """
    command = [find_program(program), *arguments]
    try:
        return subprocess.run(
            command,
            env=client_environment(folder),
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, 124, "", f"no answer within {_SECONDS} s")


def node_states(folder: ClusterFolder) -> dict[str, str]:
    """Return each node's state in Slurm's short words (`idle`, `down*`); empty if not told."""
    lines = ask(folder, "sinfo", "-h", "-N", "-o", "%N %t").stdout.splitlines()
    pairs = [line.split() for line in lines]
    return {pair[0]: pair[1] for pair in pairs if len(pair) == 2}


def job_states(folder: ClusterFolder) -> dict[str, str]:
    """Return the state of each job that has not ended, by id; empty if not told."""
    lines = ask(folder, "squeue", "-h", "-r", "-o", "%i %T").stdout.splitlines()
    pairs = [line.split() for line in lines]
    return {pair[0]: pair[1] for pair in pairs if len(pair) == 2}
