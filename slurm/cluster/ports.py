"""TCP ports on 127.0.0.1: which are taken, and where a cluster finds room."""

import socket
from dataclasses import replace

from orchestrator.errors import LaunchError
from slurm.cluster.config import PORTS, ClusterConfig

_FIRST = 17_000
_LAST = 31_000
"""Below the range from which Linux gives ports to clients (32768 on)."""


def taken_ports(ports: tuple[int, ...]) -> tuple[int, ...]:
    """Return those that some process listens on."""
    return tuple(port for port in ports if _is_taken(port))


def check_ports(ports: tuple[int, ...]) -> None:
    """See that ports are free.

    Raises:
        LaunchError: naming those that are not.
    """
    taken = taken_ports(ports)
    if taken:
        raise LaunchError(
            f"ports are in use: {', '.join(map(str, taken))}",
            where="127.0.0.1",
            mend="leave out --port, so that free ones are looked for; or stop what listens there",
        )


def with_free_ports(config: ClusterConfig) -> ClusterConfig:
    """Return the configuration moved to the first block of ports that are all free.

    Raises:
        LaunchError: if there is none.
    """
    for port in range(max(config.port, _FIRST), _LAST, PORTS):
        moved = replace(config, port=port)
        if not taken_ports(moved.ports):
            return moved
    raise LaunchError(
        f"no {len(config.ports)} free ports between {_FIRST} and {_LAST}",
        where="127.0.0.1",
        mend="stop what listens there, or name other ports with --port",
    )


def _is_taken(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False
