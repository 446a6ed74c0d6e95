"""The private MariaDB behind slurmdbd: its files, its process, its one user."""

import subprocess
import tempfile
from pathlib import Path

from orchestrator.errors import LaunchError
from slurm.cluster.config import ClusterConfig
from slurm.cluster.folder import ClusterFolder
from slurm.cluster.programs import find_program
from slurm.cluster.site import Site
from slurm.cluster.slurmdbd_conf import DATABASE, DATABASE_USER
from slurm.cluster.waiting import last_lines


def make_database(folder: ClusterFolder, site: Site, environment: dict[str, str]) -> None:
    """Write the files of an empty database, whole or not at all; it takes some seconds.

    Raises:
        LaunchError: if MariaDB cannot make them.
    """
    log = folder.logs / "mariadb-install-db.out"
    partial = Path(tempfile.mkdtemp(prefix="partial-", dir=folder.database))
    command = [
        find_program("mariadb-install-db"),
        "--no-defaults",
        f"--datadir={partial}",
        f"--user={site.user}",
        "--auth-root-authentication-method=normal",
        "--skip-test-db",
        "--skip-name-resolve",
    ]
    with log.open("wb") as file:
        done = subprocess.run(command, stdout=file, stderr=file, env=environment, check=False)
    if done.returncode:
        raise LaunchError(
            f"mariadb-install-db ended with {done.returncode}{last_lines(log)}",
            where=str(log),
            mend="read the log, or start without --accounting",
        )
    partial.rename(folder.database_files)


def database_command(config: ClusterConfig, folder: ClusterFolder, site: Site) -> tuple[str, ...]:
    """Return the command of the server: small, on 127.0.0.1, careless of power cuts."""
    return (
        find_program("mariadbd"),
        "--no-defaults",
        f"--datadir={folder.database_files}",
        f"--user={site.user}",
        f"--socket={folder.database_socket}",
        f"--pid-file={folder.sockets}/mariadbd.pid",
        "--bind-address=127.0.0.1",
        f"--port={config.database_port}",
        "--skip-name-resolve",
        "--skip-log-bin",
        "--innodb-buffer-pool-size=64M",
        "--innodb-flush-log-at-trx-commit=0",
        "--innodb-lock-wait-timeout=900",
        "--innodb-doublewrite=0",
        "--innodb-use-native-aio=0",
    )


def database_answers(folder: ClusterFolder) -> bool:
    """Say whether the server takes SQL."""
    return folder.database_socket.exists() and _sql(folder, "select 1;").returncode == 0


def make_database_user(folder: ClusterFolder, password: str) -> None:
    """Make slurmdbd's user and database; nothing happens where they are.

    Raises:
        LaunchError: if the server refuses.
    """
    user = f"{DATABASE_USER}@'127.0.0.1'"
    done = _sql(
        folder,
        f"create user if not exists {user} identified by '{password}';"
        f"create database if not exists {DATABASE};"
        f"grant all on {DATABASE}.* to {user};",
    )
    if done.returncode:
        raise LaunchError(
            f"MariaDB refused to make slurmdbd's user: {done.stderr.strip()}",
            where=str(folder.database),
            mend="sweep cluster down, and up again; or start without --accounting",
        )


def _sql(folder: ClusterFolder, text: str) -> subprocess.CompletedProcess[str]:
    """Send SQL by standard input, since arguments are seen by every user of the machine."""
    return subprocess.run(
        [
            find_program("mariadb"),
            "--no-defaults",
            f"--socket={folder.database_socket}",
            "--user=root",
        ],
        input=text,
        capture_output=True,
        text=True,
        check=False,
    )
