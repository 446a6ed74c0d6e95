"""Hold a cluster's profile against what its Slurm says. Pure."""

from collections.abc import Iterator
from datetime import timedelta

from orchestrator.doctor.finding import Finding, doubt, well, wrong
from orchestrator.doctor.machine import CLOCK_SKEW_SECONDS
from orchestrator.doctor.slurm_facts import PartitionFacts, SlurmFacts, leading_number
from orchestrator.spec.profile import Partition, Profile
from orchestrator.spec.slurm_site import Requeue, SlurmSite

ABOUT = "slurm"

NO_ACCOUNTS = "accounting_storage/none"
"""Slurm's word for a cluster without accounts."""


def check_cluster(profile: Profile, facts: SlurmFacts, now: float) -> list[Finding]:
    """Compare a profile with its cluster.

    Args:
        profile: what is stated.
        facts: what Slurm says.
        now: this machine's clock, seconds since 1970.
    """
    site = profile.slurm
    if site is None:
        mend = "add a section `slurm:`, or choose another profile"
        return [wrong(ABOUT, f"the profile {profile.profile} says nothing of Slurm", mend)]
    if facts.silence is not None:
        mend = "run this on a login node; SLURM_CONF says which cluster is meant"
        return [wrong(ABOUT, f"Slurm cannot be reached: {facts.silence}", mend)]
    version, name = facts.config.get("SLURM_VERSION", "?"), facts.config.get("ClusterName", "?")
    found = [well(ABOUT, f"Slurm {version} answers for the cluster {name}")]
    found += _clock(facts, now)
    for partition in profile.partitions:
        found += _partition(profile, site, partition, facts)
    found += _limits(site, facts)
    found += _accounts(site, facts)
    return found


def _clock(facts: SlurmFacts, now: float) -> Iterator[Finding]:
    if facts.instant is None:
        yield doubt("clock", "the controller's clock could not be read (sdiag)")
        return
    skew = now - facts.instant
    said = f"this machine's clock is {abs(skew):.0f} s {'ahead of' if skew > 0 else 'behind'}"
    if abs(skew) > CLOCK_SKEW_SECONDS:
        yield wrong("clock", f"{said} the controller's", "let both follow one time server (NTP)")
    else:
        yield well("clock", f"{said} the controller's")


def _partition(
    profile: Profile, site: SlurmSite, partition: Partition, facts: SlurmFacts
) -> Iterator[Finding]:
    about = f"partition {partition.name}"
    seen = facts.partitions.get(partition.name)
    if seen is None:
        yield wrong(about, "there is none of this name", "sinfo lists those that there are")
        return
    if not seen.is_up:
        yield wrong(about, "it is down: jobs wait there", "ask the administrators since when")
    usable = sum(kind.count for kind in seen.kinds if _is_usable(kind.state))
    if seen.nodes is not None and seen.nodes < partition.nodes:
        what = f"it has {seen.nodes} nodes, the profile says {partition.nodes}"
        yield wrong(about, what, f"state nodes: {seen.nodes}")
    elif usable < partition.nodes:
        yield doubt(about, f"{usable} of its {seen.nodes} nodes can be used now")
    else:
        yield well(about, f"{usable} nodes can be used")
    yield from _longest(about, partition, seen)
    yield from _nodes(about, profile, site, seen)
    yield from _preemption(about, site, seen, facts)


def _is_usable(state: str) -> bool:
    word = state.rstrip("*~#!%$@^-").lower()
    return not word.startswith(("down", "drain", "fail", "maint", "unk", "inval"))


def _longest(about: str, partition: Partition, seen: PartitionFacts) -> Iterator[Finding]:
    stated = None if partition.max_hours is None else timedelta(hours=partition.max_hours)
    if seen.max_time is not None and (stated is None or stated > seen.max_time):
        hours = seen.max_time.total_seconds() / 3600
        longest = "no limit" if stated is None else f"{partition.max_hours:g} h"
        what = f"its longest job is {hours:g} h, the profile says {longest}"
        yield wrong(about, what, f"state max_hours: {hours:g}")


def _nodes(
    about: str, profile: Profile, site: SlurmSite, seen: PartitionFacts
) -> Iterator[Finding]:
    """Check that a full node's processes find their devices, CPUs and memory."""
    tasks = profile.gpus_per_node
    for kind in seen.kinds:
        known = kind.gpus.get(site.gpu_type, 0) if site.gpu_type else sum(kind.gpus.values())
        if known < tasks:
            typed = f" of type {site.gpu_type}" if site.gpu_type else ""
            types = ", ".join(f"{n} {t or 'without type'}" for t, n in kind.gpus.items()) or "none"
            what = f"{kind.count} nodes have {known} GPUs{typed} ({types}); the profile: {tasks}"
            yield wrong(about, what, "state gpus_per_node and slurm.gpu_type as sinfo -o %G has it")
        if tasks * site.cpus_per_task > kind.cpus:
            what = f"{tasks} processes x {site.cpus_per_task} CPUs are more than {kind.cpus}"
            yield wrong(about, what, f"state slurm.cpus_per_task: {max(1, kind.cpus // tasks)}")
        if site.memory_gib_per_task is None:
            yield doubt(
                about,
                "slurm.memory_gib_per_task is not stated: a run that finds too little memory "
                "cannot be given more",
            )
        asked = tasks * (site.memory_gib_per_task or 0)
        if asked * 1024 > kind.memory_mib:
            what = f"{asked:g} GiB for {tasks} processes are more than {kind.memory_mib} MiB"
            most = kind.memory_mib / 1024 / tasks
            yield wrong(about, what, f"state slurm.memory_gib_per_task: {most:.1f}")


def _preemption(
    about: str, site: SlurmSite, seen: PartitionFacts, facts: SlurmFacts
) -> Iterator[Finding]:
    mode = seen.preempt_mode
    if mode is None or mode.startswith("OFF"):
        return
    if mode == "CANCEL" and site.requeue is Requeue.REQUEUE:
        yield doubt(
            about,
            "preempted jobs are cancelled, not started again: the next launch goes on with them",
            "state slurm.requeue: cancel, so that a launch does not wait for their return",
        )
    grace = seen.grace.total_seconds() or leading_number(facts.config.get("KillWait")) or 0
    if site.grace_seconds is None:
        yield doubt(
            about,
            f"a preempted job has {grace:g} s to save, which the profile does not state",
            f"state slurm.grace_seconds: {grace:g}",
        )
    elif site.grace_seconds > grace:
        what = f"a preempted job has {grace:g} s to save, the profile says {site.grace_seconds}"
        yield wrong(about, what, f"state slurm.grace_seconds: {grace:g}")
    else:
        yield well(about, f"a preempted job has {grace:g} s to save")


def _limits(site: SlurmSite, facts: SlurmFacts) -> Iterator[Finding]:
    size = leading_number(facts.config.get("MaxArraySize"))
    if size is None:
        yield doubt("limits", "MaxArraySize could not be read")
    elif size == 0:
        yield wrong("limits", "job arrays are switched off here", "ask for MaxArraySize above 1")
    elif site.max_array_size is not None and site.max_array_size > size:
        what = f"MaxArraySize is {size}, the profile says {site.max_array_size}"
        yield wrong("limits", what, f"state slurm.max_array_size: {size}")
    else:
        yield well("limits", f"arrays may have {size} jobs")
    limits = [one.max_submitted for one in facts.associations if _is_ours(one.account, site)]
    most = min((limit for limit in limits if limit is not None), default=None)
    if most is None:
        return
    if site.max_submitted is None or site.max_submitted > most:
        stated = "nothing" if site.max_submitted is None else site.max_submitted
        what = f"MaxSubmitJobs is {most}, the profile says {stated}"
        yield wrong("limits", what, f"state slurm.max_submitted: {most}")
    else:
        yield well("limits", f"{site.max_submitted} of {most} allowed jobs may be submitted")


def _accounts(site: SlurmSite, facts: SlurmFacts) -> Iterator[Finding]:
    is_on = facts.config.get("AccountingStorageType", NO_ACCOUNTS) not in (NO_ACCOUNTS, "(null)")
    answers = facts.sacct_words is None
    if site.accounting is not None and site.accounting != is_on:
        stated, seen = ("keeps", "it does not") if site.accounting else ("keeps no", "it does")
        what = f"the profile says that the cluster {stated} accounts: {seen}"
        yield wrong("accounting", what, f"state slurm.accounting: {str(is_on).lower()}")
    elif is_on and not answers:
        mend = "ends of jobs are then known from the queue alone: look at it every few minutes"
        yield doubt("accounting", f"sacct does not answer: {facts.sacct_words}", mend)
    elif is_on:
        yield well("accounting", "sacct answers")
    else:
        what = "the cluster keeps no accounts: ends of jobs are known from its queue alone"
        mend = "launch again, or stay with --watch, before ended jobs leave the queue (MinJobAge)"
        yield doubt("accounting", what, mend)
    if not facts.associations:
        return
    accounts = [one.account for one in facts.associations]
    if site.account is not None and site.account not in accounts:
        what = f"you are not in the account {site.account}"
        yield wrong("accounting", what, f"state one of: {', '.join(accounts)}")
    qos = {name for one in facts.associations if _is_ours(one.account, site) for name in one.qos}
    if site.qos is not None and qos and site.qos not in qos:
        what = f"you may not use the QOS {site.qos}"
        yield wrong("accounting", what, f"state one of: {', '.join(sorted(qos))}")


def _is_ours(account: str, site: SlurmSite) -> bool:
    return site.account is None or account == site.account
