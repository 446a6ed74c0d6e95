"""Starting a cluster, and starting again those of its daemons that died."""

from dataclasses import replace
from enum import StrEnum

from orchestrator.errors import LaunchError
from slurm.cluster.config import PORTS, ClusterConfig
from slurm.cluster.daemons import (
    daemon_names,
    start_daemon,
    unready_nodes,
    wait_for_daemon,
    wait_for_nodes,
)
from slurm.cluster.files import check_ours, clear, write_files
from slurm.cluster.folder import ClusterFolder
from slurm.cluster.lock import locked
from slurm.cluster.members import stray_daemons
from slurm.cluster.ports import check_ports, with_free_ports
from slurm.cluster.processes import kill
from slurm.cluster.programs import check_programs
from slurm.cluster.record import ClusterRecord, read_record, write_record
from slurm.cluster.site import Site, this_site
from slurm.cluster.stopping import stop_members

PORT_TAKEN = "Address already in use"
"""What Slurm's daemons say of a port that another process has."""

TRIES = 3
"""Blocks of ports that are tried. An assumption: it takes two processes in one moment."""


class Started(StrEnum):
    """What `start` found, and so did."""

    NEW = "new"
    REVIVED = "revived"
    WAS_UP = "was up"


def start(config: ClusterConfig, folder: ClusterFolder) -> Started:
    """Start a cluster and return when jobs can start on every node; safe to repeat.

    A cluster that is up is left alone. One of whose daemons some or all died, without `stop`,
    gets them back and keeps its jobs. After `stop`, everything begins anew, job numbers too.
    A start that fails or is interrupted leaves no process.

    Raises:
        LaunchError: if Slurm is not installed, the folder is not ours, ports are taken, a cluster
            with other settings is up, or a daemon does not become ready.
    """
    check_programs(config.accounting)
    site = this_site()
    check_ours(folder)  # before even a lock is written there
    with locked(folder):
        record = read_record(folder)
        alive = record.alive() if record else {}
        if record and alive and record.config != config:
            raise LaunchError(
                "a cluster with other settings is up here",
                where=str(folder.path),
                mend="stop it first (sweep cluster down), or give --dir another folder",
            )
        if record and record.daemons and record.config == config:
            return _revive(record, folder, site)
        _start_new(config, folder, site)
        return Started.NEW


def at_known_ports(config: ClusterConfig, folder: ClusterFolder) -> ClusterConfig:
    """Return the configuration at the ports of the cluster that is here, or else at free ones.

    Raises:
        LaunchError: if no block of ports is free.
    """
    record = read_record(folder)
    if record and record.daemons:
        here = replace(config, port=record.config.port)
        if here == record.config or record.alive():
            return here
    return with_free_ports(config)


def start_at_free_ports(config: ClusterConfig, folder: ClusterFolder) -> Started:
    """Start a cluster at the ports of the one that is here, or at free ones.

    Another process may take a port between the look and the start: then it is tried elsewhere.

    Raises:
        LaunchError: as `start`, or if no block of ports is free.
    """
    for _ in range(TRIES - 1):
        config = at_known_ports(config, folder)
        try:
            return start(config, folder)
        except LaunchError as error:
            if PORT_TAKEN not in error.what:
                raise
        config = replace(config, port=config.port + PORTS)
    return start(at_known_ports(config, folder), folder)


def start_again(name: str, folder: ClusterFolder) -> None:
    """Start one daemon that died, such as `slurmd.n2`, and wait until it is ready.

    Raises:
        LaunchError: if the cluster is not up, has no such daemon, or it does not become ready.
    """
    with locked(folder):
        record = read_record(folder)
        if record is None or name not in dict(record.daemons):
            raise LaunchError(
                f"no daemon {name} was ever started here",
                where=str(folder.path),
                mend="start the cluster first: sweep cluster up",
            )
        if name not in record.alive():
            _start_missing(record, folder, this_site(), (name,))


def _revive(record: ClusterRecord, folder: ClusterFolder, site: Site) -> Started:
    alive = record.alive()
    kill(stray_daemons(folder, frozenset(alive.values())))
    missing = tuple(name for name in daemon_names(record.config) if name not in alive)
    if not missing and not unready_nodes(record.config, folder):
        return Started.WAS_UP
    _start_missing(record, folder, site, missing)
    wait_for_nodes(record.config, folder, lambda: _has_controller(folder))
    return Started.REVIVED if missing else Started.WAS_UP


def _start_new(config: ClusterConfig, folder: ClusterFolder, site: Site) -> None:
    stop_members(folder)  # of a start that was killed before it could write its record
    check_ports(config.ports)
    clear(folder)
    record = ClusterRecord(config=config, host=site.host)
    write_record(folder, record)
    write_files(config, folder, site)
    try:
        _start_missing(record, folder, site, daemon_names(config))
        wait_for_nodes(config, folder, lambda: _has_controller(folder))
    except BaseException:
        stop_members(folder)
        write_record(folder, record)
        raise


def _has_controller(folder: ClusterFolder) -> bool:
    record = read_record(folder)
    return record is not None and "slurmctld" in record.alive()


def _start_missing(
    record: ClusterRecord, folder: ClusterFolder, site: Site, missing: tuple[str, ...]
) -> None:
    for name in missing:
        process = start_daemon(name, record.config, folder, site)
        record = record.with_daemon(name, process)
        write_record(folder, record)
        wait_for_daemon(name, process, record.config, folder)
