"""A study as it is declared: models, data, stages and arms. Pure."""

from dataclasses import dataclass

from orchestrator.errors import ConfigError
from orchestrator.spec.axis import AxisList
from orchestrator.spec.change import Change
from orchestrator.spec.codec import Scalar
from orchestrator.spec.launch import Launch
from orchestrator.spec.model import ModelConfig, VisionConfig
from orchestrator.spec.run import Stage
from orchestrator.spec.settings import Settings
from orchestrator.spec.suite import SuiteConfig

MODEL_STAGES = (
    Stage.TEXT_PRETRAIN,
    Stage.IMAGE_TEXT_PRETRAIN,
    Stage.FINETUNE,
    Stage.EVALUATE,
)
"""What a model passes through unless its arm says otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedModel:
    """One of the study's models."""

    name: str
    """What axes call it."""
    config: ModelConfig
    """What it is made of."""
    changes: tuple[Change, ...] = ()
    """Settings that go with this model, such as its learning rate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedEncoder:
    """One of the study's ways of seeing."""

    name: str
    """What axes call it."""
    config: VisionConfig
    """What it is made of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Collection:
    """A data collection: published, with a version, or made by a recipe."""

    name: str
    """The part of a source's name before the slash."""
    version: str
    """Names the content; for a recipe, a hash of the recipe and its options."""
    recipe: str | None = None
    """Dotted name of the function that makes it; None for published data."""
    options: tuple[tuple[str, Scalar], ...] = ()
    """The recipe's options, sorted by name."""
    tokens: int | None = None
    """Tokens of its text, once through; None where it is not stated. Never part of a name."""
    may_repeat: bool = False
    """Whether runs may read its text more than once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Override:
    """Settings that hold where some axes have some values."""

    when: tuple[AxisList, ...]
    """Axes and the values that are meant; all must match."""
    set: tuple[Change, ...]
    """What then holds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """A named sub-grid that feeds figures and tables.

    Raises:
        ConfigError: if it goes through no stage, or an axis has no value.
    """

    name: str
    """Unique in the study."""
    axes: tuple[AxisList, ...] = ()
    """What is varied; the product is taken."""
    fixed: tuple[Change, ...] = ()
    """What holds throughout."""
    zip: tuple[tuple[str, ...], ...] = ()
    """Groups of axes that move together."""
    where: tuple[tuple[AxisList, ...], ...] = ()
    """Points are kept if any of these matches; all are if there is none."""
    override: tuple[Override, ...] = ()
    """Conditional settings, applied in order."""
    feeds: tuple[str, ...] = ()
    """Figures and tables drawn from it."""
    stages: tuple[Stage, ...] = MODEL_STAGES
    """What its models pass through."""
    group: str | None = None
    """Arms that are counted together, such as those that reviewers asked for."""

    def __post_init__(self) -> None:
        if not self.stages:
            raise ConfigError("an arm goes through no stage", "stages", "name at least one stage")
        for axis in self.axes:
            if not axis.values:
                raise ConfigError(
                    f"axis {axis.name} has no value", f"axes.{axis.name}", "list at least one"
                )


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """Everything a study file says."""

    name: str
    """Name of the study, and of its results folder."""
    about: str
    """What it asks."""
    models: tuple[NamedModel, ...]
    """Models by name."""
    encoders: tuple[NamedEncoder, ...]
    """Encoders by name."""
    suites: tuple[SuiteConfig, ...]
    """Suites by name."""
    data: tuple[Collection, ...]
    """Collections by name."""
    defaults: Settings
    """What holds unless an arm says otherwise."""
    override: tuple[Override, ...]
    """Conditional settings for every arm, applied before the arm's own."""
    functions: tuple[tuple[Stage, str], ...]
    """The function behind each stage, by its dotted name."""
    launch: Launch
    """What it says about machines."""
    arms: tuple[Arm, ...]
    """The sub-grids, in the order of the file."""
