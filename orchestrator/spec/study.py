"""A study as it is declared: models, data, stages and arms. Pure."""

from dataclasses import dataclass

from orchestrator.errors import ConfigError
from orchestrator.spec.change import Change
from orchestrator.spec.codec import Plain, Scalar
from orchestrator.spec.identity import run_id
from orchestrator.spec.model import ModelConfig, VisionConfig
from orchestrator.spec.run import RunConfig, Stage, SuiteConfig, stage_of
from orchestrator.spec.settings import Settings

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


@dataclass(frozen=True, slots=True, kw_only=True)
class AxisList:
    """A varied key and the values it takes."""

    name: str
    """Short name or dotted place."""
    values: tuple[Plain, ...]
    """At least one."""


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
    arms: tuple[Arm, ...]
    """The sub-grids, in the order of the file."""

    def run_id(self, config: RunConfig) -> str:
        """Name a run of this study."""
        return run_id(config, dict(self.functions)[stage_of(config)])
