"""The plan of random studies against a brute-force account of what must be trained.

The oracle knows nothing of segments, tries or run_ids: it says of each point which steps are taken
on which data at which learning rates, and counts the different ones.
"""

import copy
import itertools
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestrator.plan.plan import Plan
from orchestrator.spec.run import Evaluate, Finetune, ImageTextPretrain, TextPretrain
from orchestrator.spec.schedule import Schedule

PlanTree = Callable[[dict[str, Any]], Plan]
Key = tuple[object, ...]

BATCH = 64
WARMUP = 5
CASES = 150


@dataclass(frozen=True)
class Point:
    seed: int
    cooldown_point: float
    text_tokens: int
    curve: str
    image_ratio: float
    epochs: int
    text_only: bool


def rates(schedule: Schedule, tokens: int, batch: int = BATCH) -> Key:
    return tuple(schedule.learning_rate(at, batch) for at in range(0, tokens, batch))


def rate(point: Point, step: int) -> float:
    """State the trunk's learning rate at one step once more."""
    steps = point.text_tokens // BATCH
    if step < WARMUP:
        return 3e-3 * (step + 1) / WARMUP
    if point.curve == "constant":
        return 3e-3
    share = (step - WARMUP) / (steps - WARMUP)
    if point.curve == "wsd":
        anneal = round(0.2 * steps)
        share = max(0.0, (step - (steps - anneal)) / anneal)
    return 3e-3 * (1 - min(1.0, share))


def phase(point: Point, step: int) -> str:
    """Name the part of its curve that a step belongs to: equal steps are equal in this, too."""
    steps = point.text_tokens // BATCH
    if step < WARMUP:
        return "warm-up"
    if point.curve == "wsd" and step < steps - round(0.2 * steps):
        return "constant"
    return point.curve if point.curve == "constant" else f"{point.curve} of {steps}"


def expected(points: set[Point]) -> dict[str, set[Key]]:
    """Say what has to be trained and asked, each once."""
    trunks, branches, finetunes, asked = set[Key](), set[Key](), set[Key](), set[Key]()
    for point in points:
        end = round(point.cooldown_point * point.text_tokens / BATCH)
        trunk: Key = (point.seed, tuple(round(rate(point, step), 12) for step in range(end)))
        if end:
            trunks.add(trunk)
        if point.text_only:
            asked.add(("text", trunk))
            continue
        # A branch inherits its trunk's next rate; how the trunk would have gone on does not matter.
        inherited = round(rate(point, end), 12) if end else None
        branch: Key = (trunk, inherited, point.image_ratio)
        branches.add(branch)
        model: Key = branch
        if point.epochs:
            model = (branch, point.epochs)
            finetunes.add(model)
        asked |= {("text", model), ("vision", model)}
    return {"trunks": trunks, "branches": branches, "finetunes": finetunes, "asked": asked}


def steps_of(points: set[Point]) -> set[Key]:
    """Return every different step of a trunk, with all the steps before it."""
    steps: set[Key] = set()
    for point in points:
        past: Key = (point.seed,)
        for step in range(round(point.cooldown_point * point.text_tokens / BATCH)):
            past = (past, round(rate(point, step), 12), phase(point, step))
            steps.add(past)
    return steps


AXES = {
    "seed": st.lists(st.integers(0, 2), min_size=1, max_size=2, unique=True),
    "cooldown_point": st.lists(
        st.sampled_from([0.0, 0.2, 0.4, 0.5, 0.8, 1.0]), min_size=1, max_size=4, unique=True
    ),
    "text_tokens": st.lists(st.sampled_from([3_200, 6_400]), min_size=1, max_size=2, unique=True),
    "curve": st.lists(
        st.sampled_from(["linear", "wsd", "constant"]), min_size=1, max_size=2, unique=True
    ),
    "image_ratio": st.lists(st.sampled_from([0.0, 0.1, 0.5]), min_size=1, max_size=2, unique=True),
    "epochs": st.lists(st.sampled_from([0, 1, 2]), min_size=1, max_size=2, unique=True),
}
ARM = st.fixed_dictionaries({**AXES, "text_only": st.booleans()})
PLACES = {"curve": "stages.text_pretrain.learning_rate.curve"}


def study_of(tree: dict[str, Any], arms: list[dict[str, Any]]) -> tuple[dict[str, Any], set[Point]]:
    """Return the study file of some arms, and all their points."""
    tree = copy.deepcopy(tree)
    tree["stages"]["text_pretrain"]["learning_rate"] = {
        "peak": 3e-3,
        "warmup_steps": WARMUP,
        "anneal": 0.2,
    }
    tree["arms"] = {}
    points: set[Point] = set()
    for number, arm in enumerate(arms):
        axes = {name: arm[name] for name in AXES}
        if arm["text_only"]:
            axes["cooldown_point"] = [p for p in axes["cooldown_point"] if p > 0] or [1.0]
            axes |= {"image_ratio": [0.5], "epochs": [1]}
        for values in itertools.product(*axes.values()):
            named = dict(zip(axes, values, strict=True))
            points.add(Point(**named, text_only=arm["text_only"]))
        if arm["text_only"]:
            del axes["image_ratio"], axes["epochs"]
        tree["arms"][f"arm_{number}"] = {
            "axes": {PLACES.get(name, name): values for name, values in axes.items()},
            "fixed": {"model": "s"},
            **({"stages": ["text_pretrain", "evaluate"]} if arm["text_only"] else {}),
        }
    return tree, points


@settings(
    max_examples=CASES,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    deadline=None,
)
@given(arms=st.lists(ARM, min_size=1, max_size=3))
def test_a_random_study_is_planned_without_a_duplicate_a_gap_or_a_missing_parent(
    arms: list[dict[str, Any]], tree: dict[str, Any], plan_tree: PlanTree
) -> None:
    study, points = study_of(tree, arms)
    plan = plan_tree(study)
    runs = {run.run_id: run for run in plan.runs}
    assert len(runs) == len(plan.runs)
    wanted = expected(points)
    segments = {
        rid: run.config for rid, run in runs.items() if isinstance(run.config, TextPretrain)
    }
    keys = {
        rid: (c.seed, tuple(round(float(r), 12) for r in rates(c.schedule, c.end_tokens)))  # type: ignore[arg-type]
        for rid, c in segments.items()
    }
    assert len(set(keys.values())) == len(keys)
    assert wanted["trunks"] <= set(keys.values())
    # What is trained beyond what was asked for is where two trunks part.
    children = Counter(run.previous for run in plan.runs)
    assert all(children[rid] > 1 for rid, key in keys.items() if key not in wanted["trunks"])
    # Each goes on from the longest other one that its own steps begin with.
    for rid, (seed, own) in keys.items():
        before = [
            (len(other), name)
            for name, (other_seed, other) in keys.items()
            if other_seed == seed and len(other) < len(own) and own[: len(other)] == other
        ]
        assert runs[rid].previous == (max(before)[1] if before else None)
    trained = sum(runs[rid].cost.tokens for rid in segments)
    assert trained == BATCH * len(steps_of(points))  # no step is trained twice
    kinds = {"branches": ImageTextPretrain, "finetunes": Finetune, "asked": Evaluate}
    for name, kind in kinds.items():
        assert sum(isinstance(run.config, kind) for run in plan.runs) == len(wanted[name]), name
    done: set[str] = set()
    for run in plan.runs:
        assert set(run.needs) <= done
        done.add(run.run_id)
