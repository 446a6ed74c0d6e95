"""Fold a plan into few enough nodes to draw: runs that differ in one axis become one node. Pure.

The rule: evaluations of one model are always one node. Where that leaves too many nodes, axes are
folded one after another: first the seed, then the others from the last stage back to the first,
the model last. Folding an axis makes one node of all runs of one stage that need the same nodes
and differ in that axis alone. The cooldown point is never folded: it is the shape of the trunk.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from orchestrator.plan.graph.labels import axis_words
from orchestrator.plan.plan import Axis, AxisValue, PlannedRun
from orchestrator.spec.run import Stage

SUITE = "suite"
NOT_FOLDED = (SUITE, "cooldown_point")
"""The first is folded before everything else, the second never."""
ALWAYS_SAID = (SUITE, "cooldown_point", "model", "seed")
"""Axes of which no value is so usual that labels leave it out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One or more runs of one stage that are drawn as one."""

    node_id: str
    """`run_id` of its first run: no other node has it."""
    stage: Stage
    """What its runs do."""
    run_ids: tuple[str, ...]
    """Its runs, in the plan's order."""
    needs: tuple[str, ...]
    """`node_id`s of what its runs need, in the order of their `needs`."""
    axes: tuple[Axis, ...]
    """Settings that all its runs share."""
    label: str
    """What sets it apart from what it needs and from what is usual, and how many runs it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldedPlan:
    """A plan as few nodes, each after what it needs."""

    study: str
    """Name of the study."""
    nodes: tuple[Node, ...]
    """In the order of their first runs."""
    folded: tuple[str, ...]
    """Axes in which the runs of one node may differ."""
    usual: tuple[Axis, ...]
    """Values that more than half of the runs have, of axes that vary: labels leave them out."""

    @property
    def runs(self) -> int:
        """Number of runs in all nodes."""
        return sum(len(node.run_ids) for node in self.nodes)


Group = list[PlannedRun]
Values = tuple[AxisValue, ...]


def fold(study: str, runs: Sequence[PlannedRun], most_nodes: int | None = None) -> FoldedPlan:
    """Fold runs until at most a number of nodes is left, or no axis is left to fold.

    Args:
        study: name of the study.
        runs: parents before children; needs that are not among them are left out.
        most_nodes: at least 1; None folds the evaluations of each model and nothing else.
    """
    folded = [SUITE]
    groups = _groups(runs, folded)
    for axis in _fold_order(runs):
        if most_nodes is None or len(groups) <= most_nodes:
            break
        coarser = _groups(runs, [*folded, axis])
        if len(coarser) < len(groups):
            groups = coarser
            folded.append(axis)
    varied = _varied(runs)
    usual = tuple(
        Axis(name=name, value=value)
        for name, counts in varied.items()
        for value, count in counts.most_common(1)
        if name not in ALWAYS_SAID and 2 * count > counts.total()
    )
    return FoldedPlan(
        study=study,
        nodes=_nodes(groups, tuple(varied), {axis.name: axis.value for axis in usual}),
        folded=tuple(axis for axis in folded if axis in varied),
        usual=usual,
    )


def _groups(runs: Iterable[PlannedRun], folded: Sequence[str]) -> list[Group]:
    """Group runs that differ in folded axes alone; runs that no axis tells apart stay apart."""
    group_of: dict[str, int] = {}
    places: dict[object, int] = {}
    seen: Counter[object] = Counter()
    groups: list[Group] = []
    for run in runs:
        needs = tuple(dict.fromkeys(group_of[need] for need in run.needs if need in group_of))
        kept = tuple((axis.name, axis.value) for axis in run.axes if axis.name not in folded)
        dropped = tuple((axis.name, axis.value) for axis in run.axes if axis.name in folded)
        twins = seen[(run.stage, needs, kept, dropped)]
        seen[(run.stage, needs, kept, dropped)] += 1
        index = places.setdefault((run.stage, needs, kept, twins), len(groups))
        if index == len(groups):
            groups.append([])
        groups[index].append(run)
        group_of[run.run_id] = index
    return groups


def _fold_order(runs: Iterable[PlannedRun]) -> tuple[str, ...]:
    """Return the axes in the order in which they are folded."""
    names = dict.fromkeys(axis.name for run in runs for axis in run.axes)
    inner = [name for name in reversed(names) if name not in (*NOT_FOLDED, "seed", "model")]
    return ("seed", *inner, "model")


def _varied(runs: Iterable[PlannedRun]) -> dict[str, Counter[AxisValue]]:
    """Return the axes that take more than one value, and how many runs have each."""
    counts: dict[str, Counter[AxisValue]] = {}
    for run in runs:
        for axis in run.axes:
            counts.setdefault(axis.name, Counter())[axis.value] += 1
    return {name: those for name, those in counts.items() if len(those) > 1}


def _nodes(
    groups: Iterable[Group], varied: Sequence[str], usual: Mapping[str, AxisValue]
) -> tuple[Node, ...]:
    node_of: dict[str, str] = {}
    taken: dict[str, dict[str, Values]] = {}
    nodes: list[Node] = []
    for group in groups:
        first = group[0]
        node_of.update((run.run_id, first.run_id) for run in group)
        needs = tuple(dict.fromkeys(node_of[need] for need in first.needs if need in node_of))
        taken[first.run_id] = values = _values(group)
        above = [taken[need] for need in needs]
        news = {
            name: those
            for name, those in values.items()
            if name in varied
            and _is_news(those, [it[name] for it in above if name in it], usual.get(name))
        }
        nodes.append(
            Node(
                node_id=first.run_id,
                stage=first.stage,
                run_ids=tuple(run.run_id for run in group),
                needs=needs,
                axes=tuple(axis for axis in first.axes if len(values[axis.name]) == 1),
                label=_label(first.stage, news, len(group)),
            )
        )
    return tuple(nodes)


def _values(group: Group) -> dict[str, Values]:
    """Return the values that each axis takes in a group, in the plan's order."""
    values: dict[str, dict[AxisValue, None]] = {}
    for run in group:
        for axis in run.axes:
            values.setdefault(axis.name, {})[axis.value] = None
    return {name: tuple(those) for name, those in values.items()}


def _is_news(those: Values, above: Sequence[Values], usual: AxisValue | None) -> bool:
    """Whether a node has other values than what it needs, and other ones than are usual."""
    if any(set(values) == set(those) for values in above):
        return False
    return those != (usual,) or not all(usual in values for values in above)


def _label(stage: Stage, news: dict[str, Values], count: int) -> str:
    """Say what is new in a node; evaluations and nodes without news say their stage."""
    said = {
        name: those for name, those in news.items() if name != SUITE or len(those) == count == 1
    }
    words = ", ".join(axis_words(name, those) for name, those in said.items())
    if stage is Stage.EVALUATE or not words:
        words = f"{stage.value} {words}".rstrip()
    return f"{words} x{count}" if count > 1 else words
