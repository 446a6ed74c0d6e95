"""The text of slurm.conf. Pure.

Timings are shorter than any site's, so that a rehearsal of a node failure or a requeue takes
seconds; `docs/slurm.md` lists them.
"""

from slurm.cluster.config import Accounting, ClusterConfig, Partition, Preempt, Requeue
from slurm.cluster.folder import ClusterFolder
from slurm.cluster.site import Site

CLUSTER = "rehearsal"
"""ClusterName, and the cluster's name in the accounting database."""

_HARDWARE = {
    "ProctrackType": "proctrack/linuxproc",  # no cgroup is needed
    "TaskPlugin": "task/none",
    "JobAcctGatherType": "jobacct_gather/none",
    "MpiDefault": "none",
    "SwitchType": "switch/none",
    "MailProg": "/bin/true",
    "PropagateResourceLimits": "NONE",
    "SlurmdParameters": "config_overrides",  # nodes have the CPUs they claim
    "SelectType": "select/cons_tres",
    "SelectTypeParameters": "CR_CPU_Memory",
    "DefMemPerCPU": "100",
    "GresTypes": "gpu",
    "CommunicationParameters": "NoCtldInAddrAny,NoInAddrAny",  # 127.0.0.1 and no other address
    "ReturnToService": "2",  # a node that comes back is used again
    "MaxJobCount": "20000",
    "LogTimeFormat": "iso8601_ms",
}

_QUICK = {
    "SchedulerType": "sched/backfill",
    "SchedulerParameters": "batch_sched_delay=0,sched_interval=1,bf_interval=1,"
    "sched_min_interval=10000,requeue_setup_env_fail",
    "PriorityType": "priority/basic",
    "KillWait": "2",
    "MinJobAge": "300",
    "CompleteWait": "0",
    "SlurmdTimeout": "5",
    "SlurmctldTimeout": "5",
    "InactiveLimit": "0",
    "MessageTimeout": "5",
    "BatchStartTimeout": "10",
    "UnkillableStepTimeout": "10",
    "HealthCheckInterval": "0",
    "AcctGatherNodeFreq": "0",
}

_CREDENTIAL_SECONDS = 5
"""A requeued job waits one second longer than this (120 by default); Slurm allows no less."""


def slurm_conf(config: ClusterConfig, folder: ClusterFolder, site: Site) -> str:
    """Return the file that every daemon and client reads."""
    values = {
        "ClusterName": CLUSTER,
        "SlurmctldHost": f"{site.host}(127.0.0.1)",
        "SlurmctldPort": str(config.port),
        "SlurmUser": site.user,
        "SlurmdUser": site.user,
        **_paths(folder),
        **_HARDWARE,
        **_QUICK,
        **_accounting(config, folder),
        **_preemption(config),
        "JobRequeue": "1" if config.requeue is Requeue.ON else "0",
        "MaxArraySize": str(config.max_array_size),
        **dict(config.settings),
    }
    lines = [f"{key}={value}" for key, value in values.items()]
    lines.append(_node_line(config, site))
    lines += [
        _partition_line(partition, is_default=partition is config.partitions[0])
        for partition in config.partitions
    ]
    return "\n".join(lines) + "\n"


def _paths(folder: ClusterFolder) -> dict[str, str]:
    return {
        "AuthType": "auth/munge",
        "CredType": "cred/munge",
        "AuthInfo": f"socket={folder.munge_socket},cred_expire={_CREDENTIAL_SECONDS}",
        "SlurmctldPidFile": f"{folder.sockets}/slurmctld.pid",
        "SlurmdPidFile": f"{folder.sockets}/slurmd.%n.pid",
        "SlurmctldLogFile": f"{folder.logs}/slurmctld.log",
        "SlurmdLogFile": f"{folder.logs}/slurmd.%n.log",
        "SlurmdSpoolDir": f"{folder.spool}/%n",
        "StateSaveLocation": f"{folder.state}",
        "PlugStackConfig": f"{folder.etc}/plugstack.conf",
        "JobCompType": "jobcomp/filetxt",
        "JobCompLoc": f"{folder.logs}/jobcomp.txt",
    }


def _accounting(config: ClusterConfig, folder: ClusterFolder) -> dict[str, str]:
    if config.accounting is Accounting.NONE:
        return {"AccountingStorageType": "accounting_storage/none"}
    return {
        "AccountingStorageType": "accounting_storage/slurmdbd",
        "AccountingStorageHost": "127.0.0.1",
        "AccountingStoragePort": str(config.database_daemon_port),
        "AccountingStorageTRES": "gres/gpu",
        "AccountingStoreFlags": "job_comment",
        # AuthInfo is not read for the way to slurmdbd: the socket has to be named here again.
        "AccountingStoragePass": f"{folder.munge_socket}",
    }


def _preemption(config: ClusterConfig) -> dict[str, str]:
    modes = [part.preempt for part in config.partitions if part.preempt is not Preempt.NONE]
    if not modes:
        return {"PreemptType": "preempt/none", "PreemptMode": "OFF"}
    return {
        "PreemptType": "preempt/partition_prio",
        "PreemptMode": modes[0].upper(),
        "SlurmctldParameters": "preempt_send_user_signal",
    }


def _node_line(config: ClusterConfig, site: Site) -> str:
    last = config.nodes
    several = last > 1
    names = f"n[1-{last}]" if several else "n1"
    ports = f"[{config.port + 1}-{config.port + last}]" if several else f"{config.port + 1}"
    gres = f" Gres=gpu:{config.gpus}" if config.gpus else ""
    return (
        f"NodeName={names} NodeHostname={site.host} NodeAddr=127.0.0.1 Port={ports} "
        f"CPUs={config.cpus} RealMemory={config.memory_mib}{gres} State=UNKNOWN"
    )


def _partition_line(partition: Partition, *, is_default: bool) -> str:
    mode = "OFF" if partition.preempt is Preempt.NONE else partition.preempt.upper()
    limit = "INFINITE" if partition.max_minutes is None else str(partition.max_minutes)
    return (
        f"PartitionName={partition.name} Nodes=ALL Default={'YES' if is_default else 'NO'} "
        f"MaxTime={limit} State=UP PriorityTier={partition.tier} PreemptMode={mode} "
        f"GraceTime={partition.grace_seconds}"
    )
