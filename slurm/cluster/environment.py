"""The shell lines that point a user's commands at a cluster."""

import os
import shlex
from pathlib import Path

from orchestrator.errors import LaunchError
from slurm.cluster.folder import ClusterFolder
from slurm.cluster.programs import find_program
from slurm.cluster.record import read_record


def environment_lines(folder: ClusterFolder) -> tuple[str, ...]:
    """Return lines for `eval`: SLURM_CONF, and PATH where it does not lead to Slurm's commands.

    Raises:
        LaunchError: if no cluster was started in the folder, or it was stopped.
    """
    record = read_record(folder)
    if record is None or not record.daemons:
        raise LaunchError(
            "no cluster is up here",
            where=str(folder.path),
            mend="start one first: sweep cluster up (with the same --dir)",
        )
    lines = [f"export SLURM_CONF={shlex.quote(str(folder.slurm_conf))}"]
    commands = str(Path(find_program("sbatch")).parent)
    if commands not in os.environ.get("PATH", "").split(os.pathsep):
        lines.append(f'export PATH="$PATH":{shlex.quote(commands)}')
    return tuple(lines)
