"""What the results table shows of each run's settings: the study's axes. Pure."""

from enum import StrEnum
from typing import cast

from orchestrator.plan.memo import Memo
from orchestrator.plan.plan import Axis, AxisValue
from orchestrator.spec.change import full_path, short_name, value_at
from orchestrator.spec.quantity import TokenBudget
from orchestrator.spec.run import (
    Average,
    Evaluate,
    Filter,
    Filtered,
    Finetune,
    ImageTextPretrain,
    RunConfig,
    Stage,
    TextPretrain,
    stage_of,
)
from orchestrator.spec.settings import Settings
from orchestrator.spec.study import Study
from orchestrator.spec.suite import SuiteKind

_OF_TRUNKS = ("model", "seed", "text_tokens", "cooldown_point")
_OF_BRANCHES = (
    *_OF_TRUNKS,
    "image_text_tokens",
    "image_ratio",
    "learning_rate_rule",
    "encoder",
    "captions",
    "instruction_ratio",
    "keep",
)
_OF_FINETUNES = (*_OF_BRANCHES, "instructions", "epochs")
KEPT_ALL = ("keep", 1.0)
"""What a branch shows that reads all captions, such as the one that scores them."""

_OF_STAGE = {
    Stage.TOWER_PRETRAIN: (),
    Stage.TEXT_PRETRAIN: _OF_TRUNKS,
    Stage.IMAGE_TEXT_PRETRAIN: _OF_BRANCHES,
    Stage.FILTER: _OF_BRANCHES,
    Stage.FINETUNE: _OF_FINETUNES,
    Stage.AVERAGE: _OF_FINETUNES,
    Stage.EVALUATE: _OF_FINETUNES,
}
"""Settings shown of the runs of each stage; a study's other axes are added where they matter."""


class Columns:
    """The axes of a study's runs."""

    def __init__(self, study: Study, memo: Memo) -> None:
        self._memo = memo
        self._places: dict[str, tuple[str, ...]] = {}
        self._known: dict[tuple[str, type, AxisValue], Axis] = {}
        named = dict.fromkeys(short_name(axis.name) for arm in study.arms for axis in arm.axes)
        extra = tuple(name for name in named if name not in (*_OF_FINETUNES, "soup"))
        self._of_stage = {
            stage: (*names, *(name for name in extra if _matters(name, stage)))
            for stage, names in _OF_STAGE.items()
        }
        self.names: tuple[str, ...] = (*_OF_FINETUNES, "soup", *extra)

    def of(self, config: RunConfig, settings: Settings, subject: RunConfig) -> tuple[Axis, ...]:
        """Return a run's own settings of the study's axes.

        Args:
            config: what the run is.
            settings: of a point that the run belongs to, budgets resolved.
            subject: the model that the point is about.
        """
        stage = stage_of(config)
        if isinstance(config, Evaluate):
            stage = _asked_after(config)
        names = self._of_stage[stage]
        axes = self._memo.once(lambda: self.axes(names, settings), "axes", settings, names)
        own: tuple[tuple[str, AxisValue], ...] = ()
        match config:
            case TextPretrain():
                own = _kept_text(config.text_from, settings)
            case ImageTextPretrain():
                own = _kept_captions(config, settings)
            case Filter():
                own = (("keep", config.keep),)
            case Finetune():  # a soup's members differ from the point they serve
                rows = ("instructions", config.instructions.name)
                own = (rows, ("epochs", config.epochs), ("seed", config.seed))
            case Average():
                own = (("soup", config.soup.value),)
            case Evaluate():
                soup = (("soup", subject.soup.value),) if isinstance(subject, Average) else ()
                soup = soup if stage is Stage.EVALUATE else ()
                text = subject.text_from if isinstance(subject, TextPretrain) else None
                of_trunk = _kept_text(text, settings) if stage is Stage.TEXT_PRETRAIN else ()
                own = (*soup, *of_trunk, ("suite", config.suite.name))
            case _:
                pass
        return self._with(axes, own)

    def axes(self, names: tuple[str, ...], settings: Settings) -> tuple[Axis, ...]:
        """Return axes with the values that a point gives them; those it gives none are left out."""
        values = ((name, _shown(self._value(settings, name))) for name in names)
        return tuple(
            self._axis(short_name(name), value) for name, value in values if value is not None
        )

    def _value(self, settings: Settings, name: str) -> object:
        """Return a setting; None where its stage is not declared."""
        place = self._places.get(name)
        if place is None:
            value_at(settings, name)  # refuses a place that does not exist
            place = self._places[name] = tuple(full_path(name).split("."))
        value: object = settings
        for step in place:
            if value is None:
                return None
            value = getattr(value, step)
        return value

    def _with(
        self, axes: tuple[Axis, ...], own: tuple[tuple[str, AxisValue], ...]
    ) -> tuple[Axis, ...]:
        values = {axis.name: axis.value for axis in axes}
        if all(values.get(name) == value for name, value in own):
            return axes
        changed = {name for name, _ in own}
        kept = tuple(axis for axis in axes if axis.name not in changed)
        return (*kept, *(self._axis(name, value) for name, value in own))

    def _axis(self, name: str, value: AxisValue) -> Axis:
        key = (name, type(value), value)
        if key not in self._known:
            self._known[key] = Axis(name=name, value=value)
        return self._known[key]


def _asked_after(config: Evaluate) -> Stage:
    """Return the stage whose settings decide an evaluated model; of the last one, `evaluate`."""
    if config.suite.kind is SuiteKind.HELD_OUT:
        return Stage.IMAGE_TEXT_PRETRAIN
    return Stage.EVALUATE if config.vision else Stage.TEXT_PRETRAIN


def _kept_text(text_from: str | None, settings: Settings) -> tuple[tuple[str, AxisValue], ...]:
    """Return how much of its text a trunk reads, where a study filters text."""
    chosen = settings.stages.filter
    if chosen is None or chosen.of is not Filtered.TEXT:
        return ()
    return (("keep", chosen.keep),) if text_from else (KEPT_ALL,)


def _kept_captions(
    config: ImageTextPretrain, settings: Settings
) -> tuple[tuple[str, AxisValue], ...]:
    """Return how many of its captions a branch reads, where a study filters captions."""
    chosen = settings.stages.filter
    if chosen is None or chosen.of is not Filtered.CAPTIONS or config.captions_from:
        return ()
    return (KEPT_ALL,)


def _matters(name: str, stage: Stage) -> bool:
    """Whether an axis beyond the usual ones changes what runs of a stage are."""
    path = full_path(name).split(".")
    if path[0] != "stages":
        return True
    order = list(Stage)
    return order.index(Stage(path[1])) <= order.index(stage)


def _shown(value: object) -> AxisValue | None:
    """Return a setting as the results table shows it."""
    if value is None or type(value) in (str, float, int, bool):
        return cast(AxisValue | None, value)
    if isinstance(value, TokenBudget):
        return value.count
    if isinstance(value, StrEnum):
        return value.value
    if isinstance(value, tuple):
        return "+".join(str(item) for item in cast(tuple[object, ...], value))  # such as suites
    return str(value)
