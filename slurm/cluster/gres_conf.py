"""The text of gres.conf: which devices the nodes' GPUs are. Pure."""

from slurm.cluster.config import ClusterConfig
from slurm.cluster.folder import ClusterFolder


def gpu_names(config: ClusterConfig) -> tuple[str, ...]:
    """Return the names of the fake devices that all nodes share."""
    return tuple(f"gpu{number}" for number in range(config.gpus))


def gres_conf(config: ClusterConfig, folder: ClusterFolder) -> str:
    """Return the file; each fake GPU is a link to /dev/null.

    A count alone registers as no GPU at all, and plain files are refused: it takes
    character devices.
    """
    lines = [f"Name=gpu File={folder.devices}/{name}" for name in gpu_names(config)]
    return "\n".join(["AutoDetect=off", *lines]) + "\n"
