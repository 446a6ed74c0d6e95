"""What a cluster needs to know of the machine it runs on."""

import os
import pwd
import re
import socket
import subprocess
from dataclasses import dataclass

from orchestrator.errors import LaunchError
from slurm.cluster.programs import find_program


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """The machine and the user that run the cluster."""

    host: str
    """The machine's short name."""

    user: str
    """Who owns every daemon, and the only one who may submit jobs."""

    version: tuple[int, int]
    """Slurm's release: (22, 5) is 22.05."""


def this_site() -> Site:
    """Ask the machine.

    Raises:
        LaunchError: if its name does not resolve, or the user has none.
    """
    return Site(host=_resolved_host(), user=_user(), version=_version())


def this_host() -> str:
    """Return the machine's short name."""
    return socket.gethostname().split(".")[0]


def _resolved_host() -> str:
    host = this_host()
    try:
        socket.gethostbyname(host)
    except OSError as error:
        raise LaunchError(
            f"this machine's own name {host!r} does not resolve: {error}",
            where="/etc/hosts",
            mend=f"have root add the line: 127.0.0.1 {host}",
        ) from error
    return host


def _user() -> str:
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError as error:
        raise LaunchError(
            f"user number {os.getuid()} has no name; Slurm runs under names",
            where="/etc/passwd",
            mend="run as a user that /etc/passwd lists",
        ) from error


def _version() -> tuple[int, int]:
    said = subprocess.run(
        [find_program("slurmd"), "-V"], capture_output=True, text=True, check=False
    ).stdout
    found = re.search(r"(\d+)\.(\d+)", said)
    if found is None:
        raise LaunchError(
            f"slurmd -V says {said!r}, which names no release",
            where=find_program("slurmd"),
            mend="see that slurmd -V works and prints something like 'slurm-wlm 22.05.8'",
        )
    return int(found[1]), int(found[2])
