"""Runs in arrays: each once, within the site's limits, waiting for what they must."""

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.launch.slurm.arrays import Ask, next_batches
from orchestrator.launch.slurm.ids import JobTask
from orchestrator.launch.slurm.shape import ClusterShape

SHAPES = tuple(
    ClusterShape(partition=p, nodes=1, tasks_per_node=1, gpus_per_node=0, minutes=30)
    for p in ("long", "short")
)


def ask(name: str, *after: str, shape: int = 0) -> Ask:
    return Ask(run_id=name, shape=SHAPES[shape], after=after)


def test_a_thousand_children_of_a_thousand_parents_are_one_array() -> None:
    placed = {f"p{i}": JobTask(job_id=7, task=i) for i in range(1000)}
    asks = [ask(f"c{i}", f"p{i}") for i in range(1000)]
    batches = next_batches(asks, placed, 1001)
    assert [b.dependency for b in batches] == ["aftercorr:7"]
    assert batches[0].tasks == tuple((i, f"c{i}") for i in range(1000))


def test_many_children_of_one_parent_are_one_array_that_waits_for_it() -> None:
    placed = {"p": JobTask(job_id=7, task=3)}
    batches = next_batches([ask(f"c{i}", "p") for i in range(5)], placed, 1001)
    assert [(b.dependency, len(b.tasks)) for b in batches] == [("afterok:7_3", 5)]


def test_runs_of_several_parents_wait_for_all_of_them() -> None:
    placed = {"p": JobTask(job_id=7, task=3), "q": JobTask(job_id=8, task=0)}
    batches = next_batches([ask("c", "q", "p"), ask("d", "p", "q")], placed, 1001)
    assert [(b.dependency, len(b.tasks)) for b in batches] == [("afterok:7_3:8_0", 2)]


PARENTS = {f"p{i}": JobTask(job_id=1 + i // 4, task=i % 4) for i in range(8)}


@given(
    st.lists(
        st.tuples(st.sets(st.sampled_from(sorted(PARENTS)), max_size=3), st.integers(0, 1)),
        max_size=30,
    ),
    st.sampled_from([4, 5, 1001]),
)
def test_every_run_goes_once_within_the_limit_and_waits_for_exactly_its_parents(
    wanted: list[tuple[set[str], int]], most: int
) -> None:
    asks = [ask(f"r{i}", *sorted(after), shape=s) for i, (after, s) in enumerate(wanted)]
    by_name = {a.run_id: a for a in asks}
    batches = next_batches(asks, PARENTS, most)
    names = [name for batch in batches for _, name in batch.tasks]
    assert sorted(names) == sorted(by_name)
    for batch in batches:
        indices = [index for index, _ in batch.tasks]
        assert len(set(indices)) == len(indices) <= most
        assert max(indices) < most
        for index, name in batch.tasks:
            assert by_name[name].shape == batch.shape
            parents = {PARENTS[p] for p in by_name[name].after}
            assert waited_for(batch.dependency, index) == parents


def waited_for(dependency: str | None, index: int) -> set[JobTask]:
    """Read a dependency as Slurm does, for one task of the array that has it."""
    kind, _, rest = (dependency or "").partition(":")
    if kind == "aftercorr":
        return {JobTask(job_id=int(rest), task=index)}
    pairs = [part.split("_") for part in rest.split(":") if part]
    return {JobTask(job_id=int(number), task=int(task)) for number, task in pairs}
