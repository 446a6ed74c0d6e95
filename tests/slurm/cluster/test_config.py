"""A cluster that could not be is refused, with the value and the way out."""

from dataclasses import replace
from typing import Any

import pytest

from orchestrator.errors import ConfigError
from slurm.cluster.config import Accounting, ClusterConfig, Partition

CONFIG = ClusterConfig(port=17_000)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("port", 80),
        ("port", 65_500),
        ("nodes", 0),
        ("nodes", 65),
        ("cpus", 0),
        ("gpus", -1),
        ("memory_mib", 0),
        ("max_array_size", 1),
    ],
)
def test_a_value_out_of_range_is_refused_and_named(field: str, value: int) -> None:
    changed: dict[str, Any] = {field: value}
    with pytest.raises(ConfigError) as caught:
        replace(CONFIG, **changed)
    assert caught.value.where == field
    assert str(value) in caught.value.what


@pytest.mark.parametrize("name", ["", "two words", "a=b", "näme", "a,b"])
def test_a_partition_name_that_slurm_would_misread_is_refused(name: str) -> None:
    with pytest.raises(ConfigError):
        Partition(name=name)


@pytest.mark.parametrize("partitions", [(), (Partition(name="a"), Partition(name="a"))])
def test_no_partition_and_two_of_one_name_are_refused(partitions: tuple[Partition, ...]) -> None:
    with pytest.raises(ConfigError):
        replace(CONFIG, partitions=partitions)


@pytest.mark.parametrize("setting", [("Kill Wait", "3"), ("", "3"), ("KillWait", "3\nSlurmUser=x")])
def test_a_setting_that_is_more_than_one_line_or_no_key_is_refused(
    setting: tuple[str, str],
) -> None:
    with pytest.raises(ConfigError):
        replace(CONFIG, settings=(setting,))


def test_every_port_is_its_own_and_within_the_block() -> None:
    config = replace(CONFIG, nodes=64, accounting=Accounting.DATABASE)
    assert len(set(config.ports)) == 1 + 64 + 2
    assert all(17_000 <= port < 17_100 for port in config.ports)
