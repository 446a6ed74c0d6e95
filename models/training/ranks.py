"""Several processes train one run: each computes a share of every batch, sums make it whole.

Losses are sums over a batch's supervised targets, divided by the count of the whole batch, so that
gradients of shares add up to the gradient of the batch. Weights are whole on every process.
"""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh

from models.training.sharding import is_sharded
from orchestrator.spec.execution import Device, Execution
from orchestrator.store.world import World

PATIENCE = timedelta(minutes=10)
"""How long a process waits for the others at any step. An assumption: longer than any step."""

WRITING = timedelta(hours=1)
"""How long a process waits for the others to write shares. An assumption: 100 GB at 30 MB/s."""


class Ranks:
    """The processes of an attempt, seen from one of them. Alone, nothing is exchanged."""

    def __init__(self, world: World, hosts: DeviceMesh | None = None) -> None:
        """Exchange nothing yet.

        Args:
            world: this process's place; more than one are in a process group already.
            hosts: the processes by their CPUs, for exchanges beside the steps; where they keep
                shares.
        """
        self.world = world
        self.hosts = hosts

    def everyones(self, value: Any) -> list[Any]:
        """Return what each process gives, by rank."""
        if self.world.size == 1:
            return [value]
        gathered: list[Any] = [None] * self.world.size
        torch.distributed.all_gather_object(gathered, value)
        return gathered

    def firsts(self, value: Any) -> Any:
        """Return what the first process gives."""
        return self.everyones(value)[0]

    def summed(self, *values: Mapping[str, float]) -> list[dict[str, float]]:
        """Add up numbers by name, in the order of ranks, alike on all; counts stay whole."""
        totals: list[dict[str, float]] = [{} for _ in values]
        for own in self.everyones(tuple(map(dict, values))):
            for total, part in zip(totals, own, strict=True):
                for name, value in part.items():
                    total[name] = total.get(name, 0) + value
        return totals

    def sum_gradients(self, module: nn.Module) -> None:
        """Add up the gradients of all processes, in one exchange.

        A parameter that no process has a gradient for keeps none, as in a process alone.
        """
        if self.world.size == 1:
            return
        parameters = [p for p in module.parameters() if p.requires_grad]
        has = [p.grad is not None for p in parameters]
        used = [any(flags) for flags in zip(*self.everyones(has), strict=True)]
        chosen = [p for p, is_used in zip(parameters, used, strict=True) if is_used]
        if not chosen:
            return
        flat = torch.cat([_gradient(p).flatten().float() for p in chosen])
        torch.distributed.all_reduce(flat)
        start = 0
        for parameter in chosen:
            part = flat[start : start + parameter.numel()]
            parameter.grad = part.view_as(parameter).to(parameter.dtype)
            start += parameter.numel()


def _gradient(parameter: nn.Parameter) -> Tensor:
    return torch.zeros_like(parameter) if parameter.grad is None else parameter.grad


@contextmanager
def joined(world: World, execution: Execution) -> Generator[Ranks]:
    """Join the other processes while the block goes on: gloo on CPUs, NCCL on GPUs.

    Raises:
        RuntimeError: if the others do not come in time, or one of them is lost (torch's).
    """
    if world.size == 1:
        yield Ranks(world)
        return
    is_cuda = execution.device is Device.CUDA
    torch.distributed.init_process_group(
        "nccl" if is_cuda else "gloo",
        init_method=f"tcp://{world.address}:{world.port}",
        rank=world.rank,
        world_size=world.size,
        timeout=PATIENCE,
    )
    try:
        ranks = Ranks(world, _hosts() if is_sharded(execution, world) else None)
        ranks.everyones(None)  # one that leaves at once would break off others' connecting
        yield ranks
    finally:
        torch.distributed.destroy_process_group()


def _hosts() -> DeviceMesh:
    group = torch.distributed.new_group(backend="gloo", timeout=WRITING)
    assert isinstance(group, torch.distributed.ProcessGroup)
    return DeviceMesh.from_group(group, "cpu")
