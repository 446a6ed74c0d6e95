"""A cluster's profile: its limits, its price, and what it refuses."""

from dataclasses import replace
from typing import Any

import pytest

from orchestrator.errors import ConfigError
from orchestrator.spec.parallel import Parallelism, Recompute, Sharding
from orchestrator.spec.profile import Calibration, Gpu, Partition, Profile

ENTRY = Calibration(model="open_lm_79m", tokens=1_000, gpu_hours=1.0, source="test")
CLUSTER = Profile(
    profile="test",
    about="",
    gpu=Gpu(name="A100", memory_gib=80, peak_teraflops=312),
    gpus_per_node=4,
    partitions=(Partition(name="a", nodes=2), Partition(name="b", nodes=3, max_hours=24)),
)


def test_a_user_holds_every_partition_and_a_job_one() -> None:
    assert (CLUSTER.gpus, CLUSTER.gpus_per_job) == (20, 12)


@pytest.mark.parametrize(("limit", "held", "job"), [(16, 16, 12), (8, 8, 8), (100, 20, 12)])
def test_a_users_limit_holds_for_both(limit: int, held: int, job: int) -> None:
    limited = replace(CLUSTER, max_gpus=limit)
    assert (limited.gpus, limited.gpus_per_job) == (held, job)


def test_device_hours_cost_their_price_or_nothing_is_said() -> None:
    assert replace(CLUSTER, price_per_gpu_hour=2.5).price(10.0) == 25.0
    assert replace(CLUSTER, price_per_gpu_hour=0.0).price(10.0) == 0.0
    assert CLUSTER.price(10.0) is None


@pytest.mark.parametrize(
    ("where", "change"),
    [
        ("gpus_per_node", {"gpus_per_node": 0}),
        ("partitions", {"partitions": ()}),
        ("partitions", {"partitions": (CLUSTER.partitions[0], CLUSTER.partitions[0])}),
        ("calibration", {"calibration": (ENTRY, ENTRY)}),
        ("assumed_mfu", {"assumed_mfu": 0.0}),
        ("assumed_mfu", {"assumed_mfu": 40}),
        ("max_gpus", {"max_gpus": 0}),
        ("max_jobs", {"max_jobs": 0}),
        ("price_per_gpu_hour", {"price_per_gpu_hour": -1.0}),
    ],
)
def test_a_value_out_of_range_is_refused_and_named(where: str, change: dict[str, Any]) -> None:
    with pytest.raises(ConfigError) as caught:
        replace(CLUSTER, **change)
    assert caught.value.where == where


@pytest.mark.parametrize(
    ("part", "where", "value"),
    [
        (CLUSTER.gpu, "memory_gib", 0),
        (CLUSTER.gpu, "peak_teraflops", float("nan")),
        (CLUSTER.partitions[0], "nodes", 0),
        (CLUSTER.partitions[1], "max_hours", 0),
        (ENTRY, "tokens", 0),
        (ENTRY, "gpu_hours", float("inf")),
        (Parallelism(), "gpus", 0),
        (Parallelism(), "micro_batch", 0),
    ],
)
def test_a_parts_value_out_of_range_is_refused_and_named(
    part: Any, where: str, value: float
) -> None:
    with pytest.raises(ConfigError) as caught:
        replace(part, **{where: value})
    assert caught.value.where == where


def test_a_layout_is_said_as_it_is_written() -> None:
    assert str(Parallelism(gpus=2)) == "{gpus: 2, micro_batch: 1}"
    whole = Parallelism(gpus=8, sharding=Sharding.SHARDED, recompute=Recompute.BLOCKS)
    assert str(whole) == "{gpus: 8, micro_batch: 1, sharding: sharded, recompute: blocks}"
