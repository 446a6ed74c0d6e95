"""Slurm's numbers of processes, understood."""

import pytest

from orchestrator.errors import LaunchError
from orchestrator.worker.slurm_world import array_task, world_of

SRUN = {
    "SLURM_JOB_ID": "123456",
    "SLURM_NTASKS": "16",
    "SLURM_PROCID": "9",
    "SLURM_LOCALID": "1",
    "SLURM_LAUNCH_NODE_IPADDR": "10.0.0.7",
}


def test_a_process_knows_its_place_and_where_the_first_one_is() -> None:
    world = world_of(SRUN)
    assert (world.rank, world.size, world.local_rank, world.address) == (9, 16, 1, "10.0.0.7")
    assert not world.is_first


def test_two_jobs_that_share_a_node_use_other_ports() -> None:
    ports = {world_of({**SRUN, "SLURM_JOB_ID": str(job)}).port for job in range(1000)}
    assert len(ports) == 1000
    assert all(1024 < port < 65_536 for port in ports)


@pytest.mark.parametrize("missing", ["SLURM_NTASKS", "SLURM_PROCID", "SLURM_LOCALID"])
def test_a_process_that_srun_did_not_start_is_told_who_should(missing: str) -> None:
    with pytest.raises(LaunchError, match="srun") as caught:
        world_of({name: value for name, value in SRUN.items() if name != missing})
    assert missing in caught.value.where


def test_a_job_outside_an_array_is_refused() -> None:
    assert array_task({"SLURM_ARRAY_TASK_ID": "7"}) == 7
    with pytest.raises(LaunchError, match="array"):
        array_task({})
