"""Where everything of a private cluster lies: below one folder. Pure but for `cluster_folder`."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from orchestrator.errors import ConfigError

_PLAIN = re.compile(r"[A-Za-z0-9._/+@-]+")
"""Slurm's files have no way to write other characters that all its releases read alike."""

_MAX_BYTES = 70
"""A socket's path has at most 107 bytes (Linux, unix(7)); the longest name below takes 36."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterFolder:
    """The paths of one cluster. Nothing outside `path` is written."""

    path: Path
    """Absolute."""

    @property
    def record(self) -> Path:
        """What the cluster is like and which processes it has; the folder's mark."""
        return self.path / "cluster.json"

    @property
    def lock(self) -> Path:
        """Held while a command changes the cluster."""
        return self.path / "lock"

    @property
    def etc(self) -> Path:
        """Configuration files."""
        return self.path / "etc"

    @property
    def slurm_conf(self) -> Path:
        """What `SLURM_CONF` names: all that a client needs."""
        return self.etc / "slurm.conf"

    @property
    def logs(self) -> Path:
        """Logs of the daemons, and what they printed."""
        return self.path / "log"

    @property
    def sockets(self) -> Path:
        """Sockets and files with process numbers."""
        return self.path / "run"

    @property
    def munge_socket(self) -> Path:
        """Where Slurm's programs ask munged for credentials."""
        return self.sockets / "munge.socket"

    @property
    def database_socket(self) -> Path:
        """Where the first SQL is sent."""
        return self.sockets / "mysql.sock"

    @property
    def munge(self) -> Path:
        """The key that the daemons share."""
        return self.path / "munge"

    @property
    def database(self) -> Path:
        """Where the database is made."""
        return self.path / "db"

    @property
    def database_files(self) -> Path:
        """MariaDB's files; there only once they are whole."""
        return self.database / "data"

    @property
    def database_scratch(self) -> Path:
        """Its temporary tables. In a shared folder the next server to start would delete them."""
        return self.path / "tmp"

    @property
    def state(self) -> Path:
        """What slurmctld keeps through a restart."""
        return self.path / "state"

    @property
    def devices(self) -> Path:
        """The fake GPUs."""
        return self.path / "dev"

    @property
    def spool(self) -> Path:
        """A folder for each node."""
        return self.path / "spool"

    @property
    def all_folders(self) -> tuple[Path, ...]:
        """Every folder that is made below `path`, and removed before a new start."""
        return (
            self.etc, self.logs, self.sockets, self.munge,
            self.database, self.database_scratch, self.state, self.devices, self.spool,
        )  # fmt: skip


def cluster_folder(path: Path | None) -> ClusterFolder:
    """Return the paths below `path`, or below the user's cache where it is None.

    Raises:
        ConfigError: if Slurm could not use such a path.
    """
    if path is None:
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        path = cache / "sweep" / "cluster"
    path = path.resolve()
    if not _PLAIN.fullmatch(str(path)):
        raise ConfigError(
            f"the cluster's folder is {str(path)!r}; Slurm's files cannot name such a path",
            where="--dir",
            mend="give --dir a path of letters, digits and . _ - + @ only: --dir ~/cluster",
        )
    if len(os.fsencode(path)) > _MAX_BYTES:
        raise ConfigError(
            f"the cluster's folder {path} has {len(os.fsencode(path))} bytes; sockets allow "
            f"{_MAX_BYTES}",
            where="--dir",
            mend="give --dir a shorter path, such as --dir ~/cluster",
        )
    return ClusterFolder(path=path)
