"""The text of slurmdbd.conf: how the accounting daemon finds its database. Pure."""

from slurm.cluster.config import ClusterConfig
from slurm.cluster.folder import ClusterFolder
from slurm.cluster.site import Site

DATABASE = "slurm_acct_db"
DATABASE_USER = "slurm"


def slurmdbd_conf(
    config: ClusterConfig, folder: ClusterFolder, site: Site, *, password: str
) -> str:
    """Return the file. It holds a password and must be readable by its owner alone."""
    values = {
        "AuthType": "auth/munge",
        "AuthInfo": f"socket={folder.munge_socket}",
        "DbdHost": site.host,
        "DbdAddr": "127.0.0.1",
        "DbdPort": str(config.database_daemon_port),
        "SlurmUser": site.user,
        "PidFile": f"{folder.sockets}/slurmdbd.pid",
        "LogFile": f"{folder.logs}/slurmdbd.log",
        "DebugLevel": "info",
        "StorageType": "accounting_storage/mysql",
        "StorageHost": "127.0.0.1",
        "StoragePort": str(config.database_port),
        "StorageUser": DATABASE_USER,
        "StoragePass": password,
        "StorageLoc": DATABASE,
    }
    return "".join(f"{key}={value}\n" for key, value in values.items())
