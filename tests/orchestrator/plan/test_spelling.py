"""However a study file is written, its runs have the same names: order of keys, spelled numbers."""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
import yaml
from omegaconf import OmegaConf

from orchestrator.plan.cost.throughput import Machine
from orchestrator.plan.plan import Plan
from orchestrator.plan.planner import plan_study
from orchestrator.store.study_file import load_study

PlanTree = Callable[[dict[str, Any]], Plan]
STUDIES = sorted((Path(__file__).parents[3] / "sweeps").glob("*.yaml"))


def names(plan: Plan) -> set[str]:
    return {run.run_id for run in plan.runs}


def with_spelling(tree: dict[str, Any], place: str, spelling: str) -> str:
    """Return a study as text, with a number at a dotted place spelled out."""
    *path, last = place.split(".")
    inner = tree
    for step in path:
        inner = inner[step]
    inner[last] = "SPELLING"
    return yaml.safe_dump(tree).replace("SPELLING", spelling)


def shuffled(value: Any, rng: random.Random) -> Any:
    """Return a tree with the keys of every mapping in another order."""
    if isinstance(value, dict):
        items = [(key, shuffled(item, rng)) for key, item in cast(dict[str, Any], value).items()]
        rng.shuffle(items)
        return dict(items)
    if isinstance(value, list):
        return [shuffled(item, rng) for item in cast(list[Any], value)]
    return value


@pytest.mark.parametrize("seed", range(5))
def test_the_order_of_keys_and_values_moves_none(
    seed: int, tree: dict[str, Any], plan_tree: PlanTree
) -> None:
    rng = random.Random(seed)
    other = shuffled(tree, rng)
    for arm in other["arms"].values():
        for values in arm.get("axes", {}).values():
            rng.shuffle(values)
    assert list(other) != list(tree)
    assert names(plan_tree(other)) == names(plan_tree(tree))


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_the_order_of_a_studys_keys_moves_none(path: Path, plan_tree: PlanTree) -> None:
    tree = OmegaConf.to_container(OmegaConf.load(path), resolve=True)
    other = shuffled(tree, random.Random(1))
    assert list(other) != list(cast(dict[str, Any], tree))
    assert names(plan_tree(other)) == names(plan_study(load_study(path), Machine()))


@pytest.mark.parametrize(
    ("place", "spellings"),
    [
        ("stages.image_text_pretrain.image_ratio", ["0.1", "10%", "1e-1", ".1", "0.10", "10.0%"]),
        ("stages.image_text_pretrain.image_ratio", ["0.35", "35%", "35.0%", "0.350"]),
        ("stages.image_text_pretrain.instruction_ratio", ["1", "1.0", "100%", "1e0"]),
        ("stages.text_pretrain.tokens", ["12800", "12_800", "12.8k", "0.0128M", "12.8K"]),
        ("stages.image_text_pretrain.tokens", ["28_000_000_000", "28B", "0.028T", "28000M", "28b"]),
        ("stages.text_pretrain.learning_rate.peak", ["0.001", "1e-3", "1.0E-3", "10e-4"]),
        ("stages.text_pretrain.learning_rate.final", ["2e-5", "0.00002", "2.0e-05"]),
        ("stages.finetune.examples", ["500", "0.5k", "5_00", "'500'"]),
        (
            "stages.text_pretrain.learning_rate.warmup",
            ["0.1111111111111111", "0.11111111111111110"],
        ),
        ("seed", ["5", "+5", "0x5", "0b101", "5_"]),
        ("arms.timing.axes.cooldown_point", ["[0.3]", "[30%]", "[3e-1]", "[30.00%]"]),
    ],
)
def test_the_spelling_of_a_number_moves_none(
    place: str, spellings: list[str], tree: dict[str, Any], plan_tree: PlanTree, tmp_path: Path
) -> None:
    before = names(plan_tree(tree))
    path = tmp_path / "spelled.yaml"
    found: list[set[str]] = []
    for spelling in spellings:
        path.write_text(with_spelling(tree, place, spelling))
        found.append(names(plan_study(load_study(path), Machine())))
    assert all(each == found[0] for each in found)
    assert found[0] != before
