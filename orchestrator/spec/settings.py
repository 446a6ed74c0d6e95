"""What a study says about each stage, before it is turned into runs. Pure.

A point of a study's grid is one `Settings`: the defaults of the study with an arm's values put in
their places. Shares may be written `80%`, counts `28B`.
"""

from dataclasses import dataclass
from enum import StrEnum

from orchestrator.errors import ConfigError
from orchestrator.spec.checks import check_at_least, check_positive, check_share
from orchestrator.spec.run import OptimizerConfig, OptimizerState
from orchestrator.spec.schedule import Schedule, rewarm


class LearningRateRule(StrEnum):
    """What a branch's learning rate does with the trunk's. It confounds the cooldown point."""

    INHERITED = "inherited"
    """Goes on from the trunk's value at the branch point and cools down."""
    REWARMED = "rewarmed"
    """Warms up again to `rewarm_peak` (the trunk's own peak if none is given), then cools down."""
    EQUAL_PEAK = "equal_peak"
    """Warms up to `equal_peak`, the same for every branch point, then cools down."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LearningRate:
    """A warm-up from zero, then half a cosine.

    Raises:
        ConfigError: if a value lies outside the range stated below.
    """

    peak: float
    """Largest learning rate. Above 0."""
    final: float = 0.0
    """Learning rate at the end. At least 0."""
    warmup: float = 0.0
    """Share of the schedule that is warm-up, in [0, 1)."""
    warmup_steps: int | None = None
    """Optimizer steps of warm-up, instead of a share. At least 0."""

    def __post_init__(self) -> None:
        check_positive("peak", self.peak)
        check_at_least("final", self.final, 0)
        check_warmup(self.warmup, self.warmup_steps)

    def schedule(self, *, length: int, batch: int) -> Schedule:
        """Return the schedule over `length` tokens (or examples) in batches of `batch`.

        Raises:
            ConfigError: if the warm-up is not shorter than the whole.
        """
        warmup = warmup_length(self.warmup, self.warmup_steps, length=length, batch=batch)
        return rewarm(start=0.0, peak=self.peak, final=self.final, warmup=warmup, length=length)


@dataclass(frozen=True, slots=True, kw_only=True)
class BranchLearningRate:
    """The learning rate of a branch, by rule.

    Raises:
        ConfigError: if a value lies outside the range stated below.
    """

    rule: LearningRateRule
    """What it does with the trunk's learning rate."""
    final: float = 0.0
    """Learning rate at the end. At least 0."""
    warmup: float = 0.0
    """Share of the branch that is warm-up under `rewarmed` and `equal_peak`, in [0, 1)."""
    warmup_steps: int | None = None
    """Optimizer steps of warm-up, instead of a share. At least 0."""
    rewarm_peak: float | None = None
    """Peak under `rewarmed`; None for the trunk's own. Above 0."""
    equal_peak: float | None = None
    """Peak under `equal_peak`, which needs one. Above 0."""

    def __post_init__(self) -> None:
        check_at_least("final", self.final, 0)
        check_warmup(self.warmup, self.warmup_steps)
        for name in ("rewarm_peak", "equal_peak"):
            value = getattr(self, name)
            if value is not None:
                check_positive(name, value)
        if self.rule is LearningRateRule.EQUAL_PEAK and self.equal_peak is None:
            raise ConfigError(
                "the rule is equal_peak, but no equal_peak is given",
                where="equal_peak",
                mend="add equal_peak: the learning rate that every branch reaches",
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class TowerPretrainSettings:
    """Training of the study's own vision tower."""

    scenes: str
    """Source of images with their scene written down."""
    steps: int
    """Optimizer steps. At least 1."""
    batch_images: int
    """Images per step. At least 1."""
    learning_rate: LearningRate
    """Over images seen."""
    optimizer: OptimizerConfig = OptimizerConfig()
    """AdamW's settings."""
    features_of: tuple[str, ...] = ()
    """Sources whose features are stored with the tower."""
    seed: int = 0
    """The tower's own seed: one tower serves every seed of the study."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TextPretrainSettings:
    """The trunk."""

    text: str
    """Source of token shards."""
    tokens: int
    """Token budget of the whole trunk."""
    batch_tokens: int
    """Tokens per optimizer step."""
    learning_rate: LearningRate
    """Over the whole trunk."""
    val_text: str | None = None
    """Source of held-out token shards."""
    optimizer: OptimizerConfig = OptimizerConfig()
    """AdamW's settings."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageTextPretrainSettings:
    """A branch.

    Raises:
        ConfigError: if a value lies outside the range stated below.
    """

    captions: str
    """Source of image-caption shards."""
    image_ratio: float
    """Share of the branch's tokens from captioned images, in [0, 1]."""
    tokens: int
    """Token budget of the branch."""
    learning_rate: BranchLearningRate
    """By rule."""
    val_captions: str | None = None
    """Source of held-out image-caption shards."""
    batch_tokens: int | None = None
    """Tokens per optimizer step; None for the trunk's."""
    optimizer: OptimizerConfig | None = None
    """AdamW's settings; None for the trunk's."""
    optimizer_state: OptimizerState = OptimizerState.KEEP
    """What happens to the trunk's optimizer state."""

    def __post_init__(self) -> None:
        check_share("image_ratio", self.image_ratio)


@dataclass(frozen=True, slots=True, kw_only=True)
class FinetuneSettings:
    """Fine-tuning on instructions."""

    instructions: str
    """Source of LLaVA rows."""
    examples: int
    """Rows in it; checked when a run starts, since the schedule depends on it."""
    epochs: int
    """Passes over the rows; 0 evaluates the pre-trained model as it is. At least 0."""
    batch_examples: int
    """Rows per optimizer step."""
    learning_rate: LearningRate
    """Over the examples seen."""
    tokens_per_example: int
    """Mean positions of a row, images included: an estimate, used for costs alone. At least 1."""
    optimizer: OptimizerConfig = OptimizerConfig()
    """AdamW's settings."""

    def __post_init__(self) -> None:
        check_at_least("epochs", self.epochs, 0)
        check_at_least("tokens_per_example", self.tokens_per_example, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluateSettings:
    """Which suites are asked."""

    suites: tuple[str, ...]
    """Names of suites; vision suites are asked only of models that see images."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StageSettings:
    """The defaults of each stage; a study leaves out the stages that it has no run of."""

    tower_pretrain: TowerPretrainSettings | None = None
    """The vision tower."""
    text_pretrain: TextPretrainSettings | None = None
    """The trunk."""
    image_text_pretrain: ImageTextPretrainSettings | None = None
    """The branch."""
    finetune: FinetuneSettings | None = None
    """Fine-tuning."""
    evaluate: EvaluateSettings | None = None
    """Evaluation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """One point of a study's grid.

    Raises:
        ConfigError: if a value lies outside the range stated below.
    """

    stages: StageSettings
    """What each stage does."""
    model: str | None = None
    """Name of one of the study's models."""
    encoder: str | None = None
    """Name of one of the study's encoders."""
    cooldown_point: float = 1.0
    """Share of the trunk's budget at which the branch leaves it, in [0, 1]; 0 is from scratch."""
    seed: int = 0
    """Seeds weights and data order."""

    def __post_init__(self) -> None:
        check_share("cooldown_point", self.cooldown_point)


def check_warmup(share: float, steps: int | None) -> None:
    """Refuse a warm-up that is declared twice or outside its range.

    Raises:
        ConfigError: naming the field.
    """
    check_share("warmup", share)
    if steps is not None:
        check_at_least("warmup_steps", steps, 0)
        if share:
            raise ConfigError(
                f"the warm-up is declared twice: {share} of the schedule and {steps} steps",
                where="warmup_steps",
                mend="keep warmup or warmup_steps, not both",
            )


def warmup_length(share: float, steps: int | None, *, length: int, batch: int) -> int:
    """Return the warm-up in tokens (or examples), a whole number of steps."""
    if steps is not None:
        return steps * batch
    return round(share * length / batch) * batch
