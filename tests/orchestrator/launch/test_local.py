"""Slots, devices and the environment of local workers."""

import subprocess
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.errors import LaunchError
from orchestrator.launch.backend import Ended, Job
from orchestrator.launch.cold import ColdStarter
from orchestrator.launch.config import Start
from orchestrator.launch.local import LocalBackend, local_backend, usable_cpus, visible_gpus
from orchestrator.spec.execution import Device, Execution
from orchestrator.store.layout import RunFolder
from tests.orchestrator.store.made_records import INTENT

CUDA = Execution(device=Device.CUDA)


class Remembering:
    """A starter that keeps the environments it was given."""

    def __init__(self) -> None:
        self.environments: list[dict[str, str]] = []

    def start(self, job: Job, environment: Mapping[str, str]) -> None:
        del job
        self.environments.append(dict(environment))

    def poll(self, seconds: float) -> tuple[Ended, ...]:
        del seconds
        return ()

    def close(self, *, hurry: bool) -> tuple[Ended, ...]:
        del hurry
        return ()


def job(slot: int) -> Job:
    return Job(folder=RunFolder(Path("runs") / str(slot)), intent=replace(INTENT, slot=slot))


def environments(execution: Execution, devices: tuple[str, ...]) -> list[dict[str, str]]:
    starter = Remembering()
    backend = LocalBackend(starter, slots=3, execution=execution, devices=devices)
    backend.submit([job(0), job(1), job(2)])
    return starter.environments


def test_each_slot_has_its_gpu_and_more_slots_share_them_in_turn() -> None:
    seen = [given["CUDA_VISIBLE_DEVICES"] for given in environments(CUDA, ("3", "5"))]
    assert seen == ["3", "5", "3"]


def test_threads_are_limited_and_a_surrounding_job_is_left_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "17")
    monkeypatch.setenv("PMI_RANK", "0")
    monkeypatch.setenv("WANDB_MODE", "offline")
    given = environments(Execution(threads=3), ())[0]
    assert given["OMP_NUM_THREADS"] == given["MKL_NUM_THREADS"] == "3"
    assert given["WANDB_MODE"] == "offline"
    assert not {name for name in given if name.startswith(("SLURM_", "PMI_"))}


def test_gpus_are_those_that_this_process_may_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2, GPU-5a")
    assert visible_gpus() == ("2", "GPU-5a")
    backend = local_backend(CUDA, slots=None, start=Start.WARM, functions=())
    assert backend.slots == 2
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    with pytest.raises(LaunchError) as caught:
        local_backend(CUDA, slots=None, start=Start.WARM, functions=())
    assert "--device cpu" in caught.value.mend


def test_without_a_wish_there_is_a_slot_for_each_cpu() -> None:
    backend = local_backend(Execution(), slots=None, start=Start.WARM, functions=())
    assert backend.slots == usable_cpus()
    whole = Execution(threads=usable_cpus() * 2)
    assert local_backend(whole, slots=None, start=Start.WARM, functions=()).slots == 1


def test_a_forgotten_fresh_process_is_not_waited_for(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.attempt(1).path.mkdir(parents=True)
    starter = ColdStarter()
    starter.start(Job(folder=folder, intent=job(0).intent), {"PATH": "/usr/bin:/bin"})
    starter.close(hurry=True)  # without a warning of the interpreter, which would be an error
    assert starter.poll(0.0) == ()
    subprocess.run(["true"], check=True)
