"""An attempt's processes as Slurm's environment numbers them. Pure."""

from collections.abc import Mapping

from orchestrator.errors import LaunchError
from orchestrator.store.world import World

_FIRST_PORT = 20_000
_PORTS = 40_000
"""Ports above 20,000 and below 60,000, by job number: two jobs that share a node differ."""


def world_of(environ: Mapping[str, str]) -> World:
    """Return this process's place among those that `srun` started.

    `SLURM_LAUNCH_NODE_IPADDR` is the address of the node where the batch script called `srun`:
    the job's first node, where process 0 is.

    Raises:
        LaunchError: if the variables that `srun` sets are not there or no numbers.
    """
    try:
        size = int(environ["SLURM_NTASKS"])
        rank = int(environ["SLURM_PROCID"])
        local_rank = int(environ["SLURM_LOCALID"])
        job = int(environ["SLURM_JOB_ID"])
    except (KeyError, ValueError) as error:
        raise LaunchError(
            f"this process was not started by srun ({error})",
            "SLURM_NTASKS, SLURM_PROCID, SLURM_LOCALID, SLURM_JOB_ID",
            "let sweep launch --profile start it",
        ) from error
    address = environ.get("SLURM_LAUNCH_NODE_IPADDR", "127.0.0.1")
    port = _FIRST_PORT + job % _PORTS
    return World(rank=rank, size=size, local_rank=local_rank, address=address, port=port)


def array_task(environ: Mapping[str, str]) -> int:
    """Return the number of this job in its array.

    Raises:
        LaunchError: if it is in none.
    """
    try:
        return int(environ["SLURM_ARRAY_TASK_ID"])
    except (KeyError, ValueError) as error:
        raise LaunchError(
            "this job is in no array",
            "SLURM_ARRAY_TASK_ID",
            "let sweep launch --profile submit it",
        ) from error
