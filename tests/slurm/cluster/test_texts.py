"""What the configuration files say for what a cluster is declared to be."""

from dataclasses import replace
from pathlib import Path

import pytest

from slurm.cluster.cgroup_conf import cgroup_conf
from slurm.cluster.config import (
    Accounting,
    ClusterConfig,
    Partition,
    Preempt,
    Requeue,
    usual_partitions,
)
from slurm.cluster.folder import ClusterFolder
from slurm.cluster.gres_conf import gres_conf
from slurm.cluster.site import Site
from slurm.cluster.slurm_conf import slurm_conf
from slurm.cluster.slurmdbd_conf import slurmdbd_conf

SITE = Site(host="desk", user="ada", version=(22, 5))
FOLDER = ClusterFolder(path=Path("/home/ada/box"))
CONFIG = ClusterConfig(port=17_000)


def values(config: ClusterConfig, folder: ClusterFolder = FOLDER) -> dict[str, str]:
    """The last value of each key, as Slurm reads the file."""
    lines = slurm_conf(config, folder, SITE).splitlines()
    return {line.partition("=")[0]: line.partition("=")[2] for line in lines}


def line_of(config: ClusterConfig, start: str) -> str:
    lines = slurm_conf(config, FOLDER, SITE).splitlines()
    (found,) = [line for line in lines if line.startswith(start)]
    return found


@pytest.mark.parametrize(
    ("nodes", "names", "ports"), [(1, "n1", "17001"), (4, "n[1-4]", "[17001-17004]")]
)
def test_nodes_get_a_port_each_on_this_machine(nodes: int, names: str, ports: str) -> None:
    assert line_of(replace(CONFIG, nodes=nodes), "NodeName=") == (
        f"NodeName={names} NodeHostname=desk NodeAddr=127.0.0.1 Port={ports} "
        "CPUs=4 RealMemory=4000 Gres=gpu:2 State=UNKNOWN"
    )


def test_nodes_without_gpus_declare_none() -> None:
    config = replace(CONFIG, gpus=0)
    assert "Gres" not in line_of(config, "NodeName=")
    assert gres_conf(config, FOLDER) == "AutoDetect=off\n"


def test_each_fake_gpu_is_a_device_of_the_cluster() -> None:
    assert gres_conf(CONFIG, FOLDER).splitlines() == [
        "AutoDetect=off",
        "Name=gpu File=/home/ada/box/dev/gpu0",
        "Name=gpu File=/home/ada/box/dev/gpu1",
    ]


def test_partitions_say_their_limit_tier_and_preemption() -> None:
    parts = (
        Partition(name="slow", preempt=Preempt.CANCEL, grace_seconds=30, max_minutes=90),
        Partition(name="fast", tier=7),
    )
    config = replace(CONFIG, partitions=parts)
    assert line_of(config, "PartitionName=slow") == (
        "PartitionName=slow Nodes=ALL Default=YES MaxTime=90 State=UP PriorityTier=1 "
        "PreemptMode=CANCEL GraceTime=30"
    )
    assert line_of(config, "PartitionName=fast") == (
        "PartitionName=fast Nodes=ALL Default=NO MaxTime=INFINITE State=UP PriorityTier=7 "
        "PreemptMode=OFF GraceTime=0"
    )
    assert values(config)["PreemptType"] == "preempt/partition_prio"


def test_without_preemption_no_plugin_is_asked_for_it() -> None:
    found = values(replace(CONFIG, partitions=usual_partitions(Preempt.NONE)))
    assert (found["PreemptType"], found["PreemptMode"]) == ("preempt/none", "OFF")


@pytest.mark.parametrize(("policy", "said"), [(Requeue.ON, "1"), (Requeue.OFF, "0")])
def test_the_requeue_policy_is_the_sites_default(policy: Requeue, said: str) -> None:
    assert values(replace(CONFIG, requeue=policy))["JobRequeue"] == said


def test_accounting_names_the_daemon_and_the_socket_to_it() -> None:
    found = values(replace(CONFIG, accounting=Accounting.DATABASE))
    assert found["AccountingStorageType"] == "accounting_storage/slurmdbd"
    assert found["AccountingStoragePort"] == "17090"
    # AuthInfo is not read for this connection; without this line sacct finds no munge.
    assert found["AccountingStoragePass"] == "/home/ada/box/run/munge.socket"
    assert values(CONFIG)["AccountingStorageType"] == "accounting_storage/none"


def test_slurmdbd_and_slurm_agree_on_port_and_socket() -> None:
    config = replace(CONFIG, accounting=Accounting.DATABASE)
    text = slurmdbd_conf(config, FOLDER, SITE, password="p4ss")
    lines = text.splitlines()
    assert f"DbdPort={values(config)['AccountingStoragePort']}" in lines
    assert f"AuthInfo=socket={values(config)['AccountingStoragePass']}" in lines
    assert "StoragePass=p4ss" in lines
    assert "StoragePort=17091" in lines


def test_a_users_setting_replaces_ours() -> None:
    config = replace(CONFIG, settings=(("KillWait", "30"), ("PriorityWeightAge", "7")))
    lines = slurm_conf(config, FOLDER, SITE).splitlines()
    assert [line for line in lines if line.startswith("KillWait=")] == ["KillWait=30"]
    assert "PriorityWeightAge=7" in lines


def test_a_job_array_has_the_size_that_the_site_allows() -> None:
    assert values(replace(CONFIG, max_array_size=50))["MaxArraySize"] == "50"


def test_nothing_is_written_outside_the_folder() -> None:
    config = replace(CONFIG, accounting=Accounting.DATABASE)
    texts = slurm_conf(config, FOLDER, SITE) + slurmdbd_conf(config, FOLDER, SITE, password="p")
    words = texts.replace("=", " ").replace(",", " ").split()
    outside = {
        word for word in words if word.startswith("/") and not word.startswith("/home/ada/box/")
    }
    assert outside == {"/bin/true"}  # what stands in for mail


def test_two_clusters_share_no_port_and_no_path() -> None:
    here = replace(CONFIG, accounting=Accounting.DATABASE)
    there = replace(here, port=17_100)
    assert not set(here.ports) & set(there.ports)
    other = ClusterFolder(path=Path("/home/ada/other"))
    paths = {value for value in values(here).values() if "/home/ada/" in value}
    others = {value for value in values(there, other).values() if "/home/ada/" in value}
    assert paths
    assert not paths & others


@pytest.mark.parametrize(
    ("version", "plugin"),
    [((22, 5), "cgroup/v1"), ((23, 11), "cgroup/v1"), ((24, 5), "disabled"), ((25, 0), "disabled")],
)
def test_cgroups_are_off_in_each_releases_own_words(version: tuple[int, int], plugin: str) -> None:
    assert cgroup_conf(version) == f"CgroupPlugin={plugin}\n"
