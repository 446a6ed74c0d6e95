"""What two study files declare differently, place by place, and files that stand in between."""

import json
from pathlib import Path
from typing import Any

import pytest

from orchestrator.spec.codec import Plain
from orchestrator.spec.declared import Declaration, declarations, mixed
from orchestrator.store.study_file import load_study

SWEEPS = Path(__file__).parents[3] / "sweeps"
SMOKE, PAPER = SWEEPS / "smoke.yaml", SWEEPS / "paper.yaml"
MODEL = "{width: 16, depth: 1, heads: 2, vocab_size: 8, seq_len: 8, norm: rms_norm, qk_norm: false}"


@pytest.mark.parametrize(
    ("override", "place", "one", "other"),
    [
        ("study=other", "study", "smoke", "other"),
        ("seed=3", "seed", 0, 3),
        ("models.10k.width=64", "models.10k.width", 16, 64),
        ("models.10k.stages.finetune.epochs=2", "models.10k.stages.finetune.epochs", None, 2),
        ("encoders.tower.frozen=false", "encoders.tower.frozen", True, False),
        ("data.shapeworld.seed=4", "data.shapeworld.options.seed", 3, 4),
        ("data.own.version=v1", "data.own", None, {"name": "own", "version": "v1"}),
        ("suites.text.limit=null", "suites.text.limit", 40, None),
        (
            "suites.text.data=shapeworld/b",
            "suites.text.data",
            "shapeworld/benchmarks",
            "shapeworld/b",
        ),
        (
            "stages.finetune.learning_rate.peak=1e-3",
            "stages.finetune.learning_rate.peak",
            3e-3,
            1e-3,
        ),
        ("stages.text_pretrain.tokens=20x", "stages.text_pretrain.tokens", 102_400, "20x"),
        ("stages.text_pretrain.tokens=204.8k", "stages.text_pretrain.tokens", 102_400, "204.8k"),
        (
            "stages.text_pretrain.tokens=2e9 FLOP",
            "stages.text_pretrain.tokens",
            102_400,
            "2000000000 FLOP",
        ),
        ("stages.filter.keep=20%", "stages.filter", None, {"keep": 0.2}),
        ("functions.finetune=own:tune", "functions.finetune", "models.stages:finetune", "own:tune"),
        ("launch.profile=a100", "launch.profile", None, "a100"),
        ("arms.timing.axes.model=[27k]", "arms.timing.axes.model", ["10k"], ["27k"]),
        ("arms.timing.feeds=[]", "arms.timing.feeds", ["figure_3", "figure_4", "controls"], []),
        ("arms.scaling.fixed.seed=1", "arms.scaling.fixed.seed", None, 1),
        (
            "override=[{when: {seed: 1}, set: {epochs: 2}}]",
            "override",
            [],
            [{"when": {"seed": [1]}, "set": {"epochs": 2}}],
        ),
    ],
)
def test_a_change_is_named_by_its_place_in_the_file(
    override: str, place: str, one: Plain, other: Plain
) -> None:
    [found] = declarations(load_study(SMOKE), load_study(SMOKE, (override,)))
    assert found == Declaration(place=place, one=one, other=other)
    json.dumps(found.other)  # a value that JSON holds


def test_a_study_declares_what_it_declares() -> None:
    assert declarations(load_study(PAPER), load_study(PAPER)) == ()


def test_names_with_dots_are_told_apart() -> None:
    override = ("models[1.4b].stages.image_text_pretrain.tokens=10B",)
    [found] = declarations(load_study(PAPER), load_study(PAPER, override))
    assert found == Declaration(
        place="models.1.4b.stages.image_text_pretrain.tokens", one="28B", other="10B"
    )


def test_things_in_another_order_are_said_to_be_so(tmp_path: Path) -> None:
    text = SMOKE.read_text()
    begin = text.index("  scaling:")
    path = tmp_path / "study.yaml"
    path.write_text(text[:begin].replace("arms:\n", f"arms:\n{text[begin:]}"))
    [found] = declarations(load_study(SMOKE), load_study(path))
    assert found == Declaration(
        place="arms (order)",
        one="timing, ratio_after_text, scaling",
        other="scaling, timing, ratio_after_text",
    )
    assert found.is_infrastructure


@pytest.mark.parametrize(
    ("place", "is_infrastructure"),
    [
        ("study", True),
        ("about", True),
        ("launch.layouts.1.4b.gpus", True),
        ("stages.finetune.tokens_per_example", True),
        ("models.s.stages.finetune.tokens_per_example", True),
        ("arms.timing.feeds", True),
        ("arms.timing.group", True),
        ("data.dclm.tokens", True),
        ("data.dclm.may_repeat", True),
        ("models.s (order)", True),
        ("stages.text_pretrain.tokens", False),
        ("models.s.stages.text_pretrain.tokens", False),
        ("data.dclm.version", False),
        ("arms.timing.axes.epochs", False),
        ("suites.text.limit", False),
        ("seed", False),
    ],
)
def test_places_of_machines_and_words_are_known(place: str, is_infrastructure: bool) -> None:
    assert Declaration(place=place, one=1, other=2).is_infrastructure == is_infrastructure


CHANGES = (
    "seed=3",
    "models.10k.width=64",
    f"models.new={MODEL}",
    "models.27k.stages.finetune.epochs=2",
    "encoders.tower.feature_width=64",
    "data.shapeworld.seed=4",
    "suites.text.limit=3",
    "suites.vision.data=shapeworld/other",
    "suites.held_out.text=shapeworld/other",
    "stages.finetune.learning_rate.peak=1e-3",
    "functions.finetune=own:tune",
    "launch.layouts.10k.gpus=2",
    "arms.timing.axes.model=[27k]",
    "arms.timing.fixed.epochs=2",
    "arms.new.fixed.model=10k",
)


@pytest.mark.parametrize("change", CHANGES)
def test_a_study_between_two_has_one_change_and_no_other(change: str) -> None:
    one, other = load_study(SMOKE), load_study(SMOKE, CHANGES)
    [found] = declarations(one, load_study(SMOKE, (change,)))
    between = mixed(one, other, [found.place])
    assert declarations(one, between) == (found,)
    rest = [each for each in declarations(one, other) if each.place != found.place]
    assert list(declarations(between, other)) == rest
    back = mixed(other, one, [found.place])
    assert [each.place for each in declarations(one, back)] == [each.place for each in rest]


@pytest.mark.parametrize("pair", [(SMOKE, SWEEPS / "demo.yaml"), (SWEEPS / "one_gpu.yaml", PAPER)])
def test_all_changes_together_make_the_other_study(pair: tuple[Path, Path]) -> None:
    one, other = (load_study(path) for path in pair)
    places = [each.place for each in declarations(one, other)]
    left = declarations(mixed(one, other, places), other)
    assert all(each.place.endswith("(order)") for each in left)


def test_a_suite_has_the_version_that_its_data_has() -> None:
    one, other = load_study(SMOKE), load_study(SMOKE, ("data.shapeworld.seed=4",))
    between: Any = mixed(one, other, ["data.shapeworld.options.seed"])
    assert between == other
    assert between.suites[0].data.version == between.data[0].version != one.data[0].version
