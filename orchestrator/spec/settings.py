"""What a study says about each stage, before it is turned into runs. Pure.

A point of a study's grid is one `Settings`: the defaults of the study with an arm's values put in
their places. Shares may be written `80%`, token budgets `28B` or `20x`.
"""

from dataclasses import dataclass

from orchestrator.spec.axis import AxisLists
from orchestrator.spec.checks import check_at_least, check_positive, check_share
from orchestrator.spec.optimizer import OptimizerConfig, OptimizerState
from orchestrator.spec.quantity import TokenBudget
from orchestrator.spec.rate import BranchLearningRate, LearningRate
from orchestrator.spec.run import Filtered, Soup


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
    tokens: TokenBudget
    """Token budget of the whole trunk."""
    batch_tokens: int
    """Tokens per optimizer step."""
    learning_rate: LearningRate
    """Over the whole trunk."""
    val_text: str | None = None
    """Source of held-out token shards."""
    optimizer: OptimizerConfig = OptimizerConfig()
    """AdamW's settings."""
    seed: int | None = None
    """The trunk's own seed, for one trunk that serves every seed; None for the point's."""


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
    tokens: TokenBudget
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
    text: str | None = None
    """Source of token shards; None for the trunk's, read on from where the trunk stood."""
    instruction_ratio: float = 0.0
    """Share of the image sequences that are of instruction rows, in [0, 1]."""
    instructions: str | None = None
    """Source of those rows; None for fine-tuning's."""
    tower_lr_scale: float = 1.0
    """Learning rate of an encoder that is trained too, in multiples of the model's. Above 0."""

    def __post_init__(self) -> None:
        check_share("image_ratio", self.image_ratio)
        check_share("instruction_ratio", self.instruction_ratio)
        check_positive("tower_lr_scale", self.tower_lr_scale)


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
    tower_lr_scale: float = 1.0
    """Learning rate of an encoder that is trained too, in multiples of the model's. Above 0."""

    def __post_init__(self) -> None:
        check_positive("tower_lr_scale", self.tower_lr_scale)
        check_at_least("epochs", self.epochs, 0)
        check_at_least("tokens_per_example", self.tokens_per_example, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class FilterSettings:
    """Which captions a branch reads, or which documents a trunk, by a trained model's perplexity.

    The model that scores captions is a branch of the same trunk and settings on all captions; the
    one that scores text is a trunk of the same settings on all text, up to the same point.

    Raises:
        ConfigError: if `keep` lies outside (0, 1].
    """

    keep: float
    """Share that is kept, that of the lowest perplexity, in (0, 1]; 1 scores nothing."""
    of: Filtered = Filtered.CAPTIONS
    """What is chosen from."""

    def __post_init__(self) -> None:
        check_positive("keep", self.keep)
        check_share("keep", self.keep)


@dataclass(frozen=True, slots=True, kw_only=True)
class AverageSettings:
    """A soup of fine-tuned models."""

    over: AxisLists
    """Axes of fine-tuning and the values of the members; the product is taken."""
    soup: Soup = Soup.UNIFORM
    """How members are chosen."""
    selection: str | None = None
    """Held-out suite that a greedy soup ranks by."""


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
    filter: FilterSettings | None = None
    """Choice of captions or documents."""
    finetune: FinetuneSettings | None = None
    """Fine-tuning."""
    average: AverageSettings | None = None
    """A soup in the place of one fine-tuned model."""
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
