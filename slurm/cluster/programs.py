"""The programs that a cluster is made of, and the packages that bring them."""

import os
import shutil

from orchestrator.errors import LaunchError
from slurm.cluster.config import Accounting

_ALWAYS = {
    "slurmctld": "slurmctld",
    "slurmd": "slurmd",
    "sbatch": "slurm-client",
    "sinfo": "slurm-client",
    "munged": "munge",
}
_WITH_DATABASE = {
    "slurmdbd": "slurmdbd",
    "sacctmgr": "slurm-client",
    "mariadbd": "mariadb-server",
    "mariadb-install-db": "mariadb-server",
    "mariadb": "mariadb-client",
}
_PLUGIN = "slurm-wlm-mysql-plugin"
"""The package by which Debian's slurmdbd speaks to MariaDB; it has no program of its own."""

_SYSTEM = ("/usr/sbin", "/usr/bin", "/sbin", "/bin", "/usr/local/sbin", "/usr/local/bin")
"""Where daemons are installed, which the PATH of an ordinary user may leave out."""


def search_path() -> str:
    """Return PATH with the folders of daemons behind it."""
    ours = [folder for folder in os.environ.get("PATH", "").split(os.pathsep) if folder]
    return os.pathsep.join([*ours, *(folder for folder in _SYSTEM if folder not in ours)])


def missing_programs(accounting: Accounting) -> tuple[str, ...]:
    """Return the names of needed programs that this machine has not."""
    needed = _needed(accounting)
    return tuple(name for name in needed if shutil.which(name, path=search_path()) is None)


def check_programs(accounting: Accounting) -> None:
    """See that Slurm is installed.

    Raises:
        LaunchError: naming what is missing and the command that installs it.
    """
    missing = missing_programs(accounting)
    if not missing:
        return
    needed = _needed(accounting)
    packages = dict.fromkeys(needed[name] for name in missing)
    if accounting is Accounting.DATABASE:
        packages[_PLUGIN] = None
    command = f"apt-get install --no-install-recommends {' '.join(packages)}"
    without = " (or leave out --accounting)" if set(missing) <= set(_WITH_DATABASE) else ""
    raise LaunchError(
        f"Slurm is not installed: {', '.join(missing)} not found",
        where=f"PATH={search_path()}",
        mend=f"as root: {command}{without}",
    )


def find_program(name: str) -> str:
    """Return the path of a program.

    Raises:
        LaunchError: if the machine has it not.
    """
    found = shutil.which(name, path=search_path())
    if found is None:
        package = (_ALWAYS | _WITH_DATABASE).get(name, "slurm-client")
        raise LaunchError(
            f"{name} is not installed",
            where=f"PATH={search_path()}",
            mend=f"as root: apt-get install --no-install-recommends {package}",
        )
    return found


def _needed(accounting: Accounting) -> dict[str, str]:
    return _ALWAYS if accounting is Accounting.NONE else _ALWAYS | _WITH_DATABASE
