"""The smallest layout of a run that fits its devices; the refusal of one that does not. Pure."""

from collections.abc import Iterator
from functools import lru_cache

from orchestrator.errors import PlanError
from orchestrator.plan.cost.memory import GIB, Load, Memory, peak_memory
from orchestrator.spec.execution import Precision
from orchestrator.spec.parallel import Parallelism, Recompute, Sharding
from orchestrator.spec.profile import Profile

_TRIED = (
    (Recompute.NOTHING, Sharding.REPLICATED),
    (Recompute.NOTHING, Sharding.SHARDED),
    (Recompute.BLOCKS, Sharding.REPLICATED),
    (Recompute.BLOCKS, Sharding.SHARDED),
)
"""In the order of preference: recomputing costs a forward pass, sharding only communication."""


def smallest_layout(load: Load, profile: Profile, *, at_least: int = 1) -> Parallelism:
    """Return the layout with the fewest devices that fits.

    Among layouts of equal size it prefers not to recompute, then not to shard, then the largest
    micro-batch. Devices divide the batch, and fill whole nodes once they need more than one.

    Args:
        load: what is held and worked on.
        profile: the cluster.
        at_least: devices wanted; the most there can be, if that is less.

    Raises:
        PlanError: if no layout fits.
    """
    counts = _device_counts(load, profile)
    wanted = [count for count in counts if count >= at_least] or counts[-1:]
    for gpus in wanted:
        for layout in _layouts(load, gpus):
            if peak_memory(load, layout, Precision.BF16).gib <= profile.gpu.memory_gib:
                return layout
    last = _last(load, wanted[-1])
    raise PlanError(
        f"no layout fits: on {last.gpus} devices, {last}, a run still needs "
        f"{said(peak_memory(load, last, Precision.BF16))} on each, "
        f"and {profile.gpu.name} has {profile.gpu.memory_gib:g} GiB",
        where=f"profile {profile.profile}",
        mend="use devices with more memory, or "
        + (
            "a suite of fewer captions" if load.compared else "a batch that more of them can divide"
        ),
    )


def check_fits(load: Load, layout: Parallelism, profile: Profile) -> None:
    """Refuse a layout that does not divide the batch or does not fit the devices.

    Raises:
        PlanError: naming what it takes and the smallest layout that fits.
    """
    at_once = layout.gpus * layout.micro_batch
    if load.trains and load.batch_sequences % at_once:
        raise PlanError(
            f"a batch of {load.batch_sequences} sequences is not a whole number of "
            f"{layout.gpus} devices times {layout.micro_batch} sequences",
            where="layout",
            mend=f"lay it out as {_mended(load, profile)}",
        )
    if layout.gpus > profile.gpus_per_job:
        raise PlanError(
            f"the layout takes {layout.gpus} devices, and a job on {profile.profile} has at most "
            f"{profile.gpus_per_job}",
            where="layout",
            mend=f"lay it out as {_mended(load, profile)}",
        )
    memory = peak_memory(load, layout, Precision.BF16)
    if memory.gib > profile.gpu.memory_gib:
        raise PlanError(
            f"a run laid out as {layout} needs {said(memory)} on each device, and "
            f"{profile.gpu.name} has {profile.gpu.memory_gib:g} GiB",
            where="layout",
            mend=f"lay it out as {_mended(load, profile)}",
        )


def said(memory: Memory) -> str:
    """Say what takes the memory of a device, the largest first."""
    parts = {
        "weights and optimizer": memory.state,
        "copies": memory.copies,
        "activations": memory.activations,
        "vocabulary scores": memory.logits,
        "overhead": memory.overhead,
    }
    largest = sorted(parts.items(), key=lambda part: -part[1])
    named = ", ".join(f"{name} {part / GIB:,.1f}" for name, part in largest if part)
    return f"{memory.gib:,.1f} GiB ({named})"


def _mended(load: Load, profile: Profile) -> str:
    layout = smallest_layout(load, profile)
    return f"{layout}: {peak_memory(load, layout, Precision.BF16).gib:,.1f} GiB"


def _layouts(load: Load, gpus: int) -> Iterator[Parallelism]:
    """Yield the layouts on so many devices, preferred ones first."""
    if not load.trains:
        yield Parallelism(gpus=gpus, micro_batch=load.batch_sequences)
        return
    for recompute, sharding in _TRIED:
        if gpus == 1 and sharding is Sharding.SHARDED:
            continue
        for micro_batch in reversed(_divisors(load.batch_sequences // gpus)):
            yield Parallelism(
                gpus=gpus, micro_batch=micro_batch, sharding=sharding, recompute=recompute
            )


def _last(load: Load, gpus: int) -> Parallelism:
    """Return the layout that takes the least memory of each device."""
    return min(
        _layouts(load, gpus), key=lambda layout: peak_memory(load, layout, Precision.BF16).gib
    )


def _device_counts(load: Load, profile: Profile) -> tuple[int, ...]:
    """Return how many devices a run can be spread over, in ascending order."""
    if not load.trains:
        return (1,)
    per_node = profile.gpus_per_node
    return tuple(
        count
        for count in _divisors(load.batch_sequences)
        if count <= profile.gpus_per_job and (count <= per_node or count % per_node == 0)
    )


@lru_cache(maxsize=256)
def _divisors(number: int) -> tuple[int, ...]:
    """Return the divisors in ascending order."""
    below = [n for n in range(1, int(number**0.5) + 1) if number % n == 0]
    above = [number // n for n in reversed(below) if n * n != number]
    return (*below, *above)
