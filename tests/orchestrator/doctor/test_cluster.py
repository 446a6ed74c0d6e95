"""A profile that says something else than its cluster is told so, key by key."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from orchestrator.doctor.cluster import check_cluster
from orchestrator.doctor.finding import Finding, Verdict
from orchestrator.doctor.slurm_facts import Association, NodeKind, PartitionFacts, SlurmFacts
from orchestrator.spec.profile import Gpu, Partition, Profile
from orchestrator.spec.slurm_site import Requeue, SlurmSite

SITE = SlurmSite(
    account="lab",
    qos="normal",
    gpu_type="a100",
    cpus_per_task=8,
    memory_gib_per_task=100,
    max_array_size=1001,
    max_submitted=500,
    grace_seconds=30,
    accounting=True,
)
PROFILE = Profile(
    profile="ours",
    about="",
    gpu=Gpu(name="A100", memory_gib=80, peak_teraflops=312),
    gpus_per_node=8,
    partitions=(Partition(name="gpu", nodes=4, max_hours=24),),
    slurm=SITE,
)
NODES = NodeKind(count=4, gpus={"a100": 8}, cpus=64, memory_mib=1_000_000, state="mixed")
SEEN = PartitionFacts(
    is_up=True,
    nodes=4,
    max_time=timedelta(hours=24),
    preempt_mode="REQUEUE",
    grace=timedelta(seconds=30),
    kinds=(NODES,),
)
CONFIG = {
    "SLURM_VERSION": "24.05.1",
    "ClusterName": "c",
    "MaxArraySize": "1001",
    "KillWait": "30 sec",
    "AccountingStorageType": "accounting_storage/slurmdbd",
}
FACTS = SlurmFacts(
    silence=None,
    config=CONFIG,
    partitions={"gpu": SEEN},
    instant=1000.0,
    sacct_words=None,
    associations=(Association(account="lab", max_submitted=500, qos=("normal", "high")),),
)


def check(
    profile: Profile = PROFILE, facts: SlurmFacts = FACTS, now: float = 1001.0
) -> list[Finding]:
    return [f for f in check_cluster(profile, facts, now) if f.verdict is not Verdict.WELL]


def test_a_profile_that_is_true_is_told_nothing() -> None:
    assert check() == []


@pytest.mark.parametrize(
    ("change", "mend"),
    [
        ({"max_array_size": 5000}, "max_array_size: 1001"),
        ({"max_submitted": None}, "max_submitted: 500"),
        ({"max_submitted": 501}, "max_submitted: 500"),
        ({"accounting": False}, "accounting: true"),
        ({"account": "lap"}, "lab"),
        ({"qos": "hihg"}, "high, normal"),
        ({"gpu_type": "h100"}, "gpu_type"),
        ({"cpus_per_task": 9}, "cpus_per_task: 8"),
        ({"memory_gib_per_task": 130}, "memory_gib_per_task: 122.1"),
        ({"grace_seconds": 60}, "grace_seconds: 30"),
    ],
)
def test_each_value_that_does_not_hold_is_named_with_the_one_that_does(
    change: dict[str, Any], mend: str
) -> None:
    (found,) = check(replace(PROFILE, slurm=replace(SITE, **change)))
    assert found.verdict is Verdict.WRONG
    assert mend in (found.mend or "")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"is_up": False}, "down"),
        ({"nodes": 3, "kinds": (replace(NODES, count=3),)}, "it has 3 nodes"),
        ({"max_time": timedelta(hours=12)}, "longest job is 12 h"),
        ({"kinds": (replace(NODES, gpus={"a100": 4}),)}, "have 4 GPUs of type a100"),
        ({"kinds": (NODES, replace(NODES, count=0, gpus={}))}, "have 0 GPUs"),
    ],
)
def test_a_partition_that_is_not_as_stated_is_named(change: dict[str, Any], said: str) -> None:
    facts = replace(FACTS, partitions={"gpu": replace(SEEN, **change)})
    (found,) = check(facts=facts)
    assert found.about == "partition gpu"
    assert said in found.what


def test_nodes_out_of_use_are_doubtful_and_a_missing_partition_is_wrong() -> None:
    drained = replace(
        SEEN, kinds=(replace(NODES, count=3), replace(NODES, count=1, state="drained*"))
    )
    (found,) = check(facts=replace(FACTS, partitions={"gpu": drained}))
    assert (found.verdict, found.what) == (Verdict.DOUBT, "3 of its 4 nodes can be used now")
    (found,) = check(facts=replace(FACTS, partitions={}))
    assert found.verdict is Verdict.WRONG


def test_where_preemption_cancels_the_policy_has_to_say_so() -> None:
    facts = replace(FACTS, partitions={"gpu": replace(SEEN, preempt_mode="CANCEL")})
    (found,) = check(facts=facts)
    assert found.mend is not None
    assert "requeue: cancel" in found.mend
    assert check(replace(PROFILE, slurm=replace(SITE, requeue=Requeue.CANCEL)), facts) == []


def test_clocks_that_differ_and_silent_accounts_are_named() -> None:
    (found,) = check(now=1000.0 + 200)
    assert (found.about, found.verdict) == ("clock", Verdict.WRONG)
    (found,) = check(facts=replace(FACTS, sacct_words="Connection refused"))
    assert (found.about, found.verdict) == ("accounting", Verdict.DOUBT)


def test_an_unreachable_slurm_and_a_profile_without_one_are_told_apart() -> None:
    (found,) = check(facts=replace(FACTS, silence="Unable to contact slurm controller"))
    assert "Unable to contact" in found.what
    (found,) = check(replace(PROFILE, slurm=None))
    assert "says nothing of Slurm" in found.what
