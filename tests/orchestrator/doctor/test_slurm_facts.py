"""Slurm's words about itself, as 22.05 to 25.05 write them."""

from collections.abc import Sequence
from datetime import timedelta

import pytest

from orchestrator.doctor.slurm_facts import (
    ask_slurm,
    read_associations,
    read_config,
    read_gpus,
    read_instant,
    read_partition,
    read_time,
)
from orchestrator.launch.slurm.answers import CommandOutput

PARTITION = (
    "PartitionName=gpu AllowGroups=ALL Default=YES GraceTime=30 MaxTime=2-12:00:00 MinNodes=0 "
    "Nodes=n[1-2] PreemptMode=REQUEUE State=UP TotalCPUs=8 TotalNodes=12"
)


@pytest.mark.parametrize(
    ("gres", "gpus"),
    [
        ("gpu:2", {"": 2}),
        ("gpu:a100:8(S:0-1)", {"a100": 8}),
        ("gpu:a100:4(S:0),gpu:h100:4(S:1),nvme:1", {"a100": 4, "h100": 4}),
        ("gpu:nvidia_a100_3g.20gb:2", {"nvidia_a100_3g.20gb": 2}),
        ("nvme:1", {}),
        ("(null)", {}),
    ],
)
def test_devices_are_counted_by_type(gres: str, gpus: dict[str, int]) -> None:
    assert read_gpus(gres) == gpus


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("1-00:00:00", timedelta(days=1)),
        ("12:30:00", timedelta(hours=12, minutes=30)),
        ("30:00", timedelta(minutes=30)),
        ("UNLIMITED", None),
        ("", None),
    ],
)
def test_times_are_understood(text: str, time: timedelta | None) -> None:
    assert read_time(text) == time


def test_a_partition_is_read_with_its_nodes() -> None:
    facts = read_partition(PARTITION, "10|gpu:8|128|1000000|idle\n2|gpu:4|64+|512000|drained*\n?\n")
    assert facts.is_up
    assert (facts.nodes, facts.max_time, facts.preempt_mode) == (12, timedelta(hours=60), "REQUEUE")
    assert facts.grace == timedelta(seconds=30)
    assert [(kind.count, kind.gpus, kind.cpus) for kind in facts.kinds] == [
        (10, {"": 8}, 128),
        (2, {"": 4}, 64),
    ]


def test_configuration_clock_and_accounts_are_read() -> None:
    assert read_config("Configuration data as of x\nMaxArraySize            = 1001\n") == {
        "MaxArraySize": "1001"
    }
    assert (
        read_instant("***\nsdiag output at Thu Nov 26 17:18:21 2026 (1795713501)\n") == 1795713501
    )
    assert read_instant("sdiag: error") is None
    (one, two) = read_associations("lab|500|normal,high\nother||normal\n")
    assert (one.account, one.max_submitted, one.qos) == ("lab", 500, ("normal", "high"))
    assert two.max_submitted is None


def test_a_controller_that_does_not_answer_is_asked_nothing_more() -> None:
    calls: list[str] = []

    def run(command: Sequence[str]) -> CommandOutput:
        calls.append(command[0])
        return CommandOutput(stdout=b"", stderr=b"scontrol: command not found\n", code=127)

    assert ask_slurm(["gpu"], run).silence == "scontrol: command not found"
    assert calls == ["scontrol"]
