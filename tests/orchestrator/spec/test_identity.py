"""Names of runs: moved by every value that decides a result, and by nothing that does not."""

import runpy
from collections.abc import Iterator
from dataclasses import MISSING, dataclass, fields, is_dataclass, replace
from pathlib import Path
from typing import Any, cast, get_args, get_type_hints

import pytest

from orchestrator.errors import ConfigError
from orchestrator.spec.guard import BadStep, Guard
from orchestrator.spec.identity import Namer, run_id
from orchestrator.spec.model import Encoder, FeedForward, Norm, Projector, VisionConfig
from orchestrator.spec.optimizer import Decay, OptimizerState
from orchestrator.spec.run import STAGES, RunConfig, Soup
from orchestrator.spec.schedule import Schedule, Shape
from orchestrator.spec.source import DataSource
from orchestrator.spec.suite import Images, SuiteKind

GOLDEN = runpy.run_path(str(Path(__file__).parent / "golden_configs.py"))
KINDS = cast(tuple[RunConfig, ...], GOLDEN["KINDS"])
BARE_BRANCH: Any = GOLDEN["BARE_BRANCH"]
SEGMENT: Any = GOLDEN["SEGMENT"]
FINETUNE: Any = GOLDEN["FINETUNE"]

ALTERNATIVES: dict[str, Any] = {
    "ModelConfig.width": 128,
    "ModelConfig.depth": 3,
    "ModelConfig.heads": 4,
    "ModelConfig.vocab_size": 65,
    "ModelConfig.seq_len": 8,
    "ModelConfig.norm": Norm.RMS,
    "ModelConfig.qk_norm": False,
    "ModelConfig.ffn": FeedForward.GELU,
    "ModelConfig.ffn_multiple": 128,
    "ModelConfig.weight_tying": True,
    "ModelConfig.post_embed_norm": True,
    "VisionConfig.encoder": Encoder.PATCH,
    "VisionConfig.image_size": 64,
    "VisionConfig.patch_size": 8,
    "VisionConfig.feature_width": 772,
    "VisionConfig.projector": Projector.LINEAR,
    "VisionConfig.frozen": False,
    "VisionConfig.weights": ("another/tower",),
    "DataSource.name": "world/other",
    "DataSource.version": "2",
    "Schedule.phases": Schedule.flat(1e-3).phases,
    "Phase.shape": Shape.LINEAR,
    "Phase.length": 65,
    "Phase.start": 5e-4,
    "Phase.end": 2e-3,
    "OptimizerConfig.beta1": 0.8,
    "OptimizerConfig.beta2": 0.99,
    "OptimizerConfig.eps": 1e-6,
    "OptimizerConfig.weight_decay": 0.1,
    "OptimizerConfig.decay": Decay.MATRICES,
    "OptimizerConfig.grad_clip": 0.5,
    "OptimizerConfig.z_loss": 1e-4,
    "Guard.bad_step": BadStep.SKIP,
    "Guard.spike_sigmas": 6.0,
    "Guard.window": 64,
    "Guard.rewind_steps": 50,
    "Guard.most": 5,
    "SuiteConfig.name": "other",
    "SuiteConfig.kind": SuiteKind.TEXT,
    "SuiteConfig.benchmarks": ("vqa", "gqa"),
    "SuiteConfig.images": Images.BLIND,
    "SuiteConfig.limit": 41,
    "TowerPretrain.steps": 11,
    "TowerPretrain.batch_images": 5,
    "TowerPretrain.features_of": (),
    "TowerPretrain.seed": 1,
    "TextPretrain.end_tokens": 320,
    "TextPretrain.batch_tokens": 32,
    "TextPretrain.seed": 1,
    "TextPretrain.text_from": "ffffffffffff",
    "ImageTextPretrain.image_ratio": 0.2,
    "ImageTextPretrain.tokens": 1_280,
    "ImageTextPretrain.text_start": 64,
    "ImageTextPretrain.batch_tokens": 32,
    "ImageTextPretrain.optimizer_state": OptimizerState.DROP,
    "ImageTextPretrain.seed": 1,
    "ImageTextPretrain.trunk": None,
    "ImageTextPretrain.tower": None,
    "ImageTextPretrain.captions_from": None,
    "ImageTextPretrain.instruction_ratio": 0.5,
    "ImageTextPretrain.text_seed": None,
    "ImageTextPretrain.text_from": "ffffffffffff",
    "Filter.keep": 0.3,
    "Filter.parent": "ffffffffffff",
    "Filter.tower": None,
    "Finetune.examples": 12,
    "Finetune.epochs": 2,
    "Finetune.batch_examples": 5,
    "Finetune.seed": 1,
    "Finetune.parent": "ffffffffffff",
    "Finetune.tower": None,
    "Average.members": ("ba9876543210", "0123456789ab"),
    "Average.tower": None,
    "Evaluate.parent": "ffffffffffff",
    "Evaluate.tower": None,
    "Evaluate.seed": 1,
}
"""Another value for every single value that can stand in a run's config."""

TRAINED_TOWER = {
    "tower_lr_scale": 0.1,
    "vision": VisionConfig(
        encoder=Encoder.CNN, image_size=48, patch_size=16, feature_width=768, frozen=False
    ),
}

TOGETHER = {
    "Average.soup": {"soup": Soup.UNIFORM, "selection": None},
    "Filter.text": {"text": DataSource(name="world/text", version="1"), "captions": None},
    "ImageTextPretrain.tower_lr_scale": TRAINED_TOWER,
    "Finetune.tower_lr_scale": TRAINED_TOWER,
    "SuiteConfig.text": {
        "text": DataSource(name="world/text", version="1"),
        "kind": SuiteKind.HELD_OUT,
        "benchmarks": ("text_loss",),
    },
}
"""Values that can only change with another."""

DEFAULTS: dict[str, Any] = {
    "ModelConfig.ffn": FeedForward.SWIGLU,
    "ModelConfig.ffn_multiple": 256,
    "ModelConfig.weight_tying": False,
    "ModelConfig.post_embed_norm": False,
    "VisionConfig.projector": Projector.MLP,
    "VisionConfig.frozen": True,
    "VisionConfig.weights": (),
    "OptimizerConfig.beta1": 0.9,
    "OptimizerConfig.beta2": 0.95,
    "OptimizerConfig.eps": 1e-8,
    "OptimizerConfig.weight_decay": 0.033,
    "OptimizerConfig.decay": Decay.ALL,
    "OptimizerConfig.grad_clip": 1.0,
    "OptimizerConfig.z_loss": 0.0,
    "OptimizerConfig.guard": Guard(),
    "Guard.bad_step": BadStep.STOP,
    "Guard.spike_sigmas": None,
    "Guard.window": 128,
    "Guard.rewind_steps": 100,
    "Guard.most": 10,
    "SuiteConfig.images": Images.GIVEN,
    "SuiteConfig.limit": None,
    "SuiteConfig.text": None,
    "ImageTextPretrain.captions_from": None,
    "ImageTextPretrain.instruction_ratio": 0.0,
    "ImageTextPretrain.text_seed": None,
    "ImageTextPretrain.instructions": None,
    "TextPretrain.text_from": None,
    "ImageTextPretrain.text_from": None,
    "ImageTextPretrain.tower_lr_scale": 1.0,
    "Finetune.tower_lr_scale": 1.0,
    "Filter.text": None,
}
"""Values that names leave out."""

Steps = tuple[str | int, ...]


def parts(kind: Any) -> set[type]:
    """Return the dataclasses that a type can hold, itself included."""
    if not is_dataclass(kind):
        return {part for member in get_args(kind) for part in parts(member)}
    inner = (part for hint in get_type_hints(kind).values() for part in parts(hint))
    return {cast(type, kind), *inner}


IDENTITY = {part for kind in STAGES.values() for part in parts(kind)}
FIELDS = {
    f"{kind.__name__}.{field.name}": field.default
    for kind in IDENTITY
    for field in fields(cast(Any, kind))
}


def places(
    value: Any, at: Steps = (), within: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], Steps]]:
    """Return each place in a config: the fields around it and its own, and the way to it."""
    if isinstance(value, tuple):
        for index, item in enumerate(cast(tuple[Any, ...], value)):
            yield from places(item, (*at, index), within)
    if is_dataclass(value):
        for field in fields(value):
            names, steps = (*within, f"{type(value).__name__}.{field.name}"), (*at, field.name)
            yield names, steps
            yield from places(getattr(value, field.name), steps, names)


def put(value: Any, at: Steps, new: dict[str, Any]) -> Any:
    """Return a config with fields of the part that a way ends in replaced."""
    if len(at) == 1:
        return replace(value, **new)
    if isinstance(at[0], int):
        items = list(cast(tuple[Any, ...], value))
        items[at[0]] = put(items[at[0]], at[1:], new)
        return tuple(items)
    return replace(value, **{at[0]: put(getattr(value, at[0]), at[1:], new)})


def variants(config: RunConfig) -> Iterator[tuple[tuple[str, ...], RunConfig]]:
    """Return the config with each single value changed, wherever that gives a valid one."""
    for names, at in places(config):
        new = TOGETHER.get(names[-1])
        if new is None and names[-1] in ALTERNATIVES:
            new = {str(at[-1]): ALTERNATIVES[names[-1]]}
        if new is not None:
            try:
                yield names, put(config, at, new)
            except ConfigError:
                continue  # this kind of run has values that the other one does not go with


@pytest.mark.parametrize("config", KINDS, ids=lambda config: type(config).__name__)
def test_every_value_moves_the_name_wherever_it_stands(config: RunConfig) -> None:
    names = [run_id(config), *(run_id(other) for _, other in variants(config))]
    assert len(set(names)) == len(names)


def test_no_field_is_without_another_value_to_try() -> None:
    tried = {name for config in KINDS for names, _ in variants(config) for name in names}
    assert tried == set(FIELDS)


def test_the_defaults_that_names_leave_out_are_these() -> None:
    # A default that changes its meaning or value renames nothing and yet changes results: raise
    # IDENTITY_VERSION, and say so in CHANGELOG.md under "Changes results".
    defaults = {name: default for name, default in FIELDS.items() if default is not MISSING}
    assert defaults == DEFAULTS
    assert {name: type(default) for name, default in defaults.items()} == {
        name: type(default) for name, default in DEFAULTS.items()
    }


def test_no_default_is_made_by_a_function() -> None:
    for kind in IDENTITY:
        for field in fields(cast(Any, kind)):
            assert field.default_factory is MISSING, f"{kind.__name__}.{field.name}"


def test_a_value_written_out_at_its_default_has_the_name_of_one_left_out() -> None:
    written = {field.name: field.default for field in fields(BARE_BRANCH)}
    known = {name: value for name, value in written.items() if value is not MISSING}
    assert run_id(replace(BARE_BRANCH, **known)) == run_id(BARE_BRANCH)


def test_a_field_added_with_a_default_renames_nothing() -> None:
    @dataclass(frozen=True, slots=True, kw_only=True)
    class Before:
        rate: float

    @dataclass(frozen=True, slots=True, kw_only=True)
    class After:
        added: int | None = None
        rate: float

    namer = Namer({})
    assert namer._text(After(rate=0.1)) == namer._text(Before(rate=0.1))
    assert namer._text(After(rate=0.1, added=0)) != namer._text(Before(rate=0.1))


def test_a_whole_number_where_a_fraction_may_stand_does_not_move_the_name() -> None:
    for whole in (0, 1):
        written = replace(BARE_BRANCH, image_ratio=float(whole))
        assert run_id(replace(BARE_BRANCH, image_ratio=whole)) == run_id(written)


@pytest.mark.parametrize("value", [["a"], {"a"}, {"a": 1}, Path("a"), b"a", 1j])
def test_what_could_be_written_in_two_ways_is_refused(value: Any) -> None:
    with pytest.raises(TypeError, match="canonical form"):
        run_id(replace(FINETUNE, parent=value))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_no_number_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match="JSON"):
        run_id(replace(FINETUNE, seed=value))


def test_a_namer_gives_the_same_names_in_any_order() -> None:
    # It writes once what runs share; what it wrote for one run must not leak into another.
    forward, backward = Namer({}), Namer({})
    names = [forward.run_id(config) for config in KINDS]
    assert [backward.run_id(config) for config in reversed(KINDS)] == names[::-1]
    assert names == [run_id(config) for config in KINDS]
