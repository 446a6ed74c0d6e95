"""What a cluster's folder remembers: the configuration and the processes. One JSON file."""

import json
import os
from dataclasses import asdict, dataclass, replace
from typing import Any

from orchestrator.errors import ConfigError, LaunchError, RecordError
from slurm.cluster.config import Accounting, ClusterConfig, Partition, Preempt, Requeue
from slurm.cluster.folder import ClusterFolder
from slurm.cluster.processes import Process, is_alive
from slurm.cluster.site import this_host

_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterRecord:
    """A cluster as it was last started."""

    config: ClusterConfig
    """What its files say."""

    host: str
    """Short name of the machine that it was started on: process numbers mean nothing elsewhere."""

    daemons: tuple[tuple[str, Process], ...] = ()
    """Name and process of every daemon, in the order of starting; empty after `down`."""

    def with_daemon(self, name: str, process: Process) -> "ClusterRecord":
        """Return the record with a daemon added, or replaced by a new process."""
        others = tuple(pair for pair in self.daemons if pair[0] != name)
        return replace(self, daemons=(*others, (name, process)))

    def alive(self) -> dict[str, Process]:
        """Return the daemons that live now, by name."""
        return {name: process for name, process in self.daemons if is_alive(process)}


def write_record(folder: ClusterFolder, record: ClusterRecord) -> None:
    """Replace the file whole."""
    content = {
        "version": _VERSION,
        "host": record.host,
        "config": asdict(record.config),
        "daemons": {name: asdict(process) for name, process in record.daemons},
    }
    partial = folder.record.with_suffix(".partial")
    with partial.open("w") as file:
        json.dump(content, file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(folder.record)


def read_record(folder: ClusterFolder) -> ClusterRecord | None:
    """Return what the folder remembers, or None where no cluster ever was.

    Raises:
        RecordError: if the file is damaged.
        LaunchError: if the cluster was started on another machine that shares the folder.
    """
    record = _read(folder)
    if record and record.daemons and record.host != this_host():
        raise LaunchError(
            f"the cluster was started on the machine {record.host}, and this is {this_host()}",
            where=str(folder.path),
            mend=f"give this command on {record.host}, or give --dir a folder of this machine",
        )
    return record


def _read(folder: ClusterFolder) -> ClusterRecord | None:
    try:
        content = json.loads(folder.record.read_text())
        if content["version"] != _VERSION:
            raise ValueError(f"version {content['version']!r}")
        daemons = {name: Process(**process) for name, process in content["daemons"].items()}
        return ClusterRecord(
            config=_config(content["config"]),
            host=str(content["host"]),
            daemons=tuple(daemons.items()),
        )
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError, AttributeError, ConfigError) as error:
        what = error.what if isinstance(error, ConfigError) else str(error)
        raise RecordError(
            f"the record of the cluster cannot be read: {what}",
            where=str(folder.record),
            mend="sweep cluster down ends what runs and removes the record",
        ) from error


def _config(content: dict[str, Any]) -> ClusterConfig:
    values: dict[str, Any] = {
        **content,
        "partitions": tuple(_partition(part) for part in content["partitions"]),
        "accounting": Accounting(content["accounting"]),
        "requeue": Requeue(content["requeue"]),
        "settings": tuple((key, value) for key, value in content["settings"]),
    }
    return ClusterConfig(**values)


def _partition(content: dict[str, Any]) -> Partition:
    values: dict[str, Any] = {**content, "preempt": Preempt(content["preempt"])}
    return Partition(**values)
