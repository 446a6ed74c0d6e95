"""The smallest layout that fits, and refusals that name it."""

from dataclasses import replace

import pytest

from orchestrator.errors import PlanError
from orchestrator.plan.cost.fitting import check_fits, smallest_layout
from orchestrator.plan.cost.memory import Load, peak_memory
from orchestrator.spec.execution import Precision
from orchestrator.spec.parallel import Parallelism, Recompute, Sharding
from orchestrator.spec.presets import PRESETS
from orchestrator.spec.profile import Gpu, Partition, Profile

CLUSTER = Profile(
    profile="test",
    about="",
    gpu=Gpu(name="A100", memory_gib=80, peak_teraflops=312),
    gpus_per_node=8,
    partitions=(Partition(name="gpu", nodes=8),),
)


def cluster(memory_gib: float, nodes: int = 8) -> Profile:
    return replace(
        CLUSTER,
        gpu=replace(CLUSTER.gpu, memory_gib=memory_gib),
        partitions=(Partition(name="gpu", nodes=nodes),),
    )


def load(name: str, sequences: int = 256) -> Load:
    model = PRESETS[name]
    return Load(model=model, vision=None, batch_sequences=sequences, length=model.seq_len)


def gib(work: Load, layout: Parallelism) -> float:
    return peak_memory(work, layout, Precision.BF16).gib


def every_layout(work: Load, profile: Profile) -> list[Parallelism]:
    """List all layouts by brute force."""
    sizes = [n for n in range(1, work.batch_sequences + 1) if work.batch_sequences % n == 0]
    return [
        Parallelism(gpus=gpus, micro_batch=micro, sharding=sharding, recompute=recompute)
        for gpus in sizes
        if gpus <= profile.gpus_per_job and (gpus <= 8 or gpus % 8 == 0)
        for micro in sizes
        if work.batch_sequences % (gpus * micro) == 0
        for sharding in (Sharding if gpus > 1 else (Sharding.REPLICATED,))
        for recompute in Recompute
    ]


@pytest.mark.parametrize("name", ["open_lm_79m", "open_lm_1b", "open_lm_7b"])
@pytest.mark.parametrize("memory_gib", [16, 24, 36, 80])
@pytest.mark.parametrize("at_least", [1, 2, 16])
def test_the_smallest_layout_is_the_first_by_preference_of_all_that_fit(
    name: str, memory_gib: float, at_least: int
) -> None:
    work, profile = load(name), cluster(memory_gib)
    wanted = [x for x in every_layout(work, profile) if x.gpus >= at_least]
    fitting = [x for x in wanted if gib(work, x) <= memory_gib]
    by_preference = sorted(
        fitting,
        key=lambda x: (
            x.gpus,
            x.recompute is Recompute.BLOCKS,
            x.sharding is Sharding.SHARDED,
            -x.micro_batch,
        ),
    )
    assert by_preference, "chosen so that something fits"
    assert smallest_layout(work, profile, at_least=at_least) == by_preference[0]


def test_devices_divide_the_batch() -> None:
    layout = smallest_layout(load("open_lm_7b", sequences=6), cluster(80))
    assert 6 % (layout.gpus * layout.micro_batch) == 0
    assert layout.gpus > 1


def test_beyond_one_node_devices_fill_whole_nodes() -> None:
    work = load("open_lm_79m", sequences=48)  # 12 and 24 divide it, too
    assert [smallest_layout(work, CLUSTER, at_least=n).gpus for n in (7, 9, 17)] == [8, 16, 24]


def test_more_devices_are_taken_when_asked_for_as_far_as_there_are_any() -> None:
    work = load("open_lm_79m", sequences=512)
    assert smallest_layout(work, CLUSTER).gpus == 1
    assert smallest_layout(work, CLUSTER, at_least=9).gpus == 16
    assert smallest_layout(work, CLUSTER, at_least=10_000).gpus == 64
    limited = replace(CLUSTER, max_gpus=20)
    assert smallest_layout(work, limited, at_least=10_000).gpus == 16


def test_a_job_does_not_reach_over_two_partitions() -> None:
    split = replace(
        CLUSTER, partitions=(Partition(name="a", nodes=1), Partition(name="b", nodes=2))
    )
    assert split.gpus == 24
    assert smallest_layout(load("open_lm_79m"), split, at_least=24).gpus == 16


def test_a_layout_that_does_not_fit_is_refused_with_the_smallest_that_does() -> None:
    work = load("open_lm_7b")
    wanted = Parallelism(gpus=8, micro_batch=4)
    with pytest.raises(PlanError) as caught:
        check_fits(work, wanted, CLUSTER)
    mend = smallest_layout(work, CLUSTER)
    assert f"{gib(work, wanted):,.1f} GiB" in caught.value.what
    assert "80 GiB" in caught.value.what
    assert str(mend) in caught.value.mend
    check_fits(work, mend, CLUSTER)


@pytest.mark.parametrize(
    ("layout", "number"),
    [(Parallelism(gpus=8, micro_batch=3), "256"), (Parallelism(gpus=128, micro_batch=1), "64")],
)
def test_a_layout_that_cannot_be_is_refused(layout: Parallelism, number: str) -> None:
    with pytest.raises(PlanError) as caught:
        check_fits(load("open_lm_79m"), layout, CLUSTER)
    assert number in caught.value.what
    assert str(smallest_layout(load("open_lm_79m"), CLUSTER)) in caught.value.mend


def test_a_model_that_fits_no_layout_is_refused() -> None:
    with pytest.raises(PlanError) as caught:
        smallest_layout(load("open_lm_7b"), cluster(16, nodes=1))
    assert "16 GiB" in caught.value.what
    assert "sharding: sharded" in caught.value.what


def test_a_run_that_does_not_train_takes_one_device_or_none() -> None:
    asked = replace(load("open_lm_1b", sequences=4), trains=False)
    assert smallest_layout(asked, CLUSTER, at_least=4).gpus == 1
    with pytest.raises(PlanError):
        smallest_layout(replace(load("open_lm_7b", 4), trains=False), cluster(24))
