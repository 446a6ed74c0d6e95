"""The daemons of a cluster: their names, commands, order, and how one sees that they are ready."""

import os
import socket
from collections.abc import Callable

from slurm.cluster.client import ask, node_states
from slurm.cluster.config import Accounting, ClusterConfig
from slurm.cluster.database import (
    database_answers,
    database_command,
    make_database,
    make_database_user,
)
from slurm.cluster.files import database_password
from slurm.cluster.folder import ClusterFolder
from slurm.cluster.members import MARK
from slurm.cluster.processes import Process, is_alive, spawn
from slurm.cluster.programs import find_program, search_path
from slurm.cluster.site import Site
from slurm.cluster.slurm_conf import CLUSTER
from slurm.cluster.waiting import Patience, wait_until

_READY_SECONDS = 60.0
"""Longest wait for one daemon. Ready ones take up to 2 s on an idle machine."""

_UNREADY = ("down", "unk", "inval", "fail", "boot", "futr")
"""Beginnings of node states in which nothing starts; so does every state that ends with *."""


def node_daemon(node: str) -> str:
    """Return the name of a node's daemon: `slurmd.n1`."""
    return f"slurmd.{node}"


def daemon_names(config: ClusterConfig) -> tuple[str, ...]:
    """Return the names in the order of starting; the order of stopping is the other way."""
    database = ("mariadbd", "slurmdbd") if config.accounting is Accounting.DATABASE else ()
    return ("munged", *database, "slurmctld", *map(node_daemon, config.node_names))


def start_daemon(name: str, config: ClusterConfig, folder: ClusterFolder, site: Site) -> Process:
    """Start one daemon; it is not waited for."""
    environment = {
        "PATH": search_path(),
        "HOME": str(folder.path),
        "LANG": "C.UTF-8",
        "SLURM_CONF": str(folder.slurm_conf),
        MARK: str(folder.path),
    }
    if name == "mariadbd":
        environment["TMPDIR"] = str(folder.database_scratch)
        if not folder.database_files.exists():
            make_database(folder, site, environment)
    command = _command(name, config, folder, site)
    log = folder.logs / f"{name}.out"
    return spawn(command, cwd=folder.path, log=log, environment=environment)


def wait_for_daemon(
    name: str, process: Process, config: ClusterConfig, folder: ClusterFolder
) -> None:
    """Return when a daemon answers those that start after it. Nodes are not waited for here.

    Raises:
        LaunchError: when it ends, or does not answer in time.
    """
    patience = Patience(
        seconds=_READY_SECONDS,
        log=folder.logs / (f"{name}.out" if name == "mariadbd" else f"{name}.log"),
        lives=lambda: is_alive(process),
    )
    if name == "munged":
        wait_until(name, lambda: _connects(folder), patience)
    elif name == "mariadbd":
        wait_until(name, lambda: database_answers(folder), patience)
        make_database_user(folder, database_password(folder))
    elif name == "slurmdbd":
        wait_until(name, lambda: _clusters(folder) is not None, patience)
        if CLUSTER not in (_clusters(folder) or ()):
            ask(folder, "sacctmgr", "-i", "add", "cluster", CLUSTER)
    elif name == "slurmctld":
        wait_until(name, lambda: _listens(config.port), patience)


def wait_for_nodes(config: ClusterConfig, folder: ClusterFolder, lives: Callable[[], bool]) -> None:
    """Return when jobs can start on every node.

    Args:
        config: of the cluster.
        folder: where it lies.
        lives: whether its controller does: without it no node becomes ready.

    Raises:
        LaunchError: when some node is not ready in time, or the controller has ended.
    """
    patience = Patience(seconds=_READY_SECONDS, log=folder.logs / "slurmctld.log", lives=lives)
    wait_until("a node", lambda: not unready_nodes(config, folder), patience)


def unready_nodes(config: ClusterConfig, folder: ClusterFolder) -> tuple[str, ...]:
    """Return the nodes that Slurm does not call ready; all, where it does not answer."""
    states = node_states(folder)
    return tuple(
        node
        for node in config.node_names
        if (state := states.get(node, "unk")).startswith(_UNREADY) or state.endswith("*")
    )


def _command(
    name: str, config: ClusterConfig, folder: ClusterFolder, site: Site
) -> tuple[str, ...]:
    conf = str(folder.slurm_conf)
    if name == "mariadbd":
        return database_command(config, folder, site)
    if name == "munged":
        return (
            find_program("munged"),
            "--foreground",
            "--force",  # a home folder that its group may write is no reason to refuse
            f"--key-file={folder.munge}/munge.key",
            f"--seed-file={folder.munge}/munge.seed",
            f"--socket={folder.munge_socket}",
            f"--pid-file={folder.sockets}/munged.pid",
            f"--log-file={folder.logs}/munged.log",
            "--num-threads=4",
        )
    if name == "slurmdbd":
        return (find_program("slurmdbd"), "-D")
    if name == "slurmctld":
        return (find_program("slurmctld"), "-D", "-f", conf)
    return (find_program("slurmd"), "-D", "-f", conf, "-N", name.removeprefix("slurmd."))


def _connects(folder: ClusterFolder) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(os.fspath(folder.munge_socket)) == 0


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _clusters(folder: ClusterFolder) -> list[str] | None:
    answer = ask(folder, "sacctmgr", "-n", "-P", "list", "cluster", "format=cluster")
    return answer.stdout.split() if answer.returncode == 0 else None
