"""Writing a new cluster's folder: its configuration, key, fake devices and empty places."""

import os
import secrets
import shutil

from orchestrator.errors import LaunchError
from slurm.cluster.cgroup_conf import cgroup_conf
from slurm.cluster.config import Accounting, ClusterConfig
from slurm.cluster.folder import ClusterFolder
from slurm.cluster.gres_conf import gpu_names, gres_conf
from slurm.cluster.site import Site
from slurm.cluster.slurm_conf import slurm_conf
from slurm.cluster.slurmdbd_conf import slurmdbd_conf

_KEY_BYTES = 128
"""A munge key may have 32 to 1024 bytes (mungekey(8))."""


def check_ours(folder: ClusterFolder) -> None:
    """See that the folder may be cleared: it is new, or a cluster's own.

    Raises:
        LaunchError: if other files are in it.
    """
    if not folder.path.is_dir():
        return
    ours = {folder.lock, folder.record, *folder.all_folders}
    others = sorted(path.name for path in folder.path.iterdir() if path not in ours)
    if others and not folder.record.exists():
        raise LaunchError(
            f"the folder holds other files: {', '.join(others[:3])}",
            where=str(folder.path),
            mend="give --dir an empty folder, or one that is not there yet",
        )


def clear(folder: ClusterFolder) -> None:
    """Remove what an earlier cluster left, so that job numbers and states begin anew."""
    for path in folder.all_folders:
        if path.exists():
            shutil.rmtree(path)


def write_files(config: ClusterConfig, folder: ClusterFolder, site: Site) -> None:
    """Write everything that the daemons read. The folder is closed to other users."""
    folder.path.chmod(0o700)
    for path in folder.all_folders:
        path.mkdir(mode=0o700)
    for node in config.node_names:
        (folder.spool / node).mkdir()
    for name in gpu_names(config):
        (folder.devices / name).symlink_to(os.devnull)
    texts = {
        "slurm.conf": slurm_conf(config, folder, site),
        "gres.conf": gres_conf(config, folder),
        "cgroup.conf": cgroup_conf(site.version),
        "plugstack.conf": "",
    }
    if config.accounting is Accounting.DATABASE:
        password = secrets.token_hex(16)
        texts["slurmdbd.conf"] = slurmdbd_conf(config, folder, site, password=password)
    for name, text in texts.items():
        path = folder.etc / name
        path.touch(mode=0o600)  # before it holds a password; slurmdbd refuses other modes
        path.write_text(text)
    key = folder.munge / "munge.key"
    key.touch(mode=0o600)
    key.write_bytes(secrets.token_bytes(_KEY_BYTES))


def database_password(folder: ClusterFolder) -> str:
    """Return the password in slurmdbd.conf."""
    lines = (folder.etc / "slurmdbd.conf").read_text().splitlines()
    return {line.partition("=")[0]: line.partition("=")[2] for line in lines}["StoragePass"]
