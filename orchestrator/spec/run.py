"""What identifies one run: for each stage, the values that decide its result, and nothing else.

Where and how a run executes (device, threads, folders, micro-batch) is never here: the same run on
another machine keeps its `run_id`. Parents are named by their own `run_id`.
"""

from dataclasses import dataclass
from enum import StrEnum

from orchestrator.errors import ConfigError
from orchestrator.spec.checks import check_at_least, check_positive, check_share
from orchestrator.spec.model import ModelConfig, VisionConfig
from orchestrator.spec.schedule import Schedule


class Stage(StrEnum):
    """The kinds of run, in the order a model passes through them."""

    TOWER_PRETRAIN = "tower_pretrain"
    TEXT_PRETRAIN = "text_pretrain"
    IMAGE_TEXT_PRETRAIN = "image_text_pretrain"
    FINETUNE = "finetune"
    EVALUATE = "evaluate"


class Decay(StrEnum):
    """Which weights are decayed."""

    ALL = "all"
    """Every weight, as OpenLM does."""
    MATRICES = "matrices"
    """Weights of two or more dimensions, as Prismatic does."""


class OptimizerState(StrEnum):
    """What a branch does with its parent's optimizer state."""

    KEEP = "keep"
    DROP = "drop"


class Images(StrEnum):
    """Which image is shown with a question."""

    GIVEN = "given"
    """The question's own."""
    BLIND = "blind"
    """None."""
    PERMUTED = "permuted"
    """Another question's, by a fixed permutation of the benchmark's images."""


class SuiteKind(StrEnum):
    """Which harness runs a suite."""

    TEXT = "text"
    VISION = "vision"


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSource:
    """A data set by name and version, such as shapeworld/text at 3f2a90c1."""

    name: str
    """Collection and part, separated by a slash."""
    version: str
    """Names the content: another version is other data."""

    @property
    def collection(self) -> str:
        """The part of the name before the first slash."""
        return self.name.partition("/")[0]

    @property
    def part(self) -> str:
        """The part of the name after the first slash; empty for a collection of one part."""
        return self.name.partition("/")[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class OptimizerConfig:
    """AdamW and what goes with it. Defaults: OpenLM's released scaling runs.

    Raises:
        ConfigError: if a value lies outside the range stated below.
    """

    beta1: float = 0.9
    """Decay of the gradient's mean, in [0, 1]."""
    beta2: float = 0.95
    """Decay of the squared gradient's mean, in [0, 1]."""
    eps: float = 1e-8
    """Added to the denominator. Above 0."""
    weight_decay: float = 0.033
    """Decoupled decay, multiplied by the learning rate. At least 0."""
    decay: Decay = Decay.ALL
    """Which weights are decayed."""
    grad_clip: float = 1.0
    """Largest global L2 norm of the gradient. Above 0."""
    z_loss: float = 0.0
    """Weight of the mean squared log-partition, over supervised positions. At least 0."""

    def __post_init__(self) -> None:
        check_share("beta1", self.beta1)
        check_share("beta2", self.beta2)
        check_positive("eps", self.eps)
        check_at_least("weight_decay", self.weight_decay, 0)
        check_positive("grad_clip", self.grad_clip)
        check_at_least("z_loss", self.z_loss, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class TowerPretrain:
    """Train a small vision tower to name what stands in each patch; its weights are then reused.

    Raises:
        ConfigError: if a value lies outside the range stated below.
    """

    vision: VisionConfig
    """The tower."""
    scenes: DataSource
    """Images with their scene written down."""
    steps: int
    """Optimizer steps, a fixed number. At least 1."""
    batch_images: int
    """Images per step. At least 1."""
    schedule: Schedule
    """Learning rate over images seen."""
    optimizer: OptimizerConfig
    """AdamW's settings."""
    features_of: tuple[DataSource, ...]
    """Image sources whose features are stored with the tower, so that each is computed once."""
    seed: int
    """Seeds the initial weights and the data order."""

    def __post_init__(self) -> None:
        check_at_least("steps", self.steps, 1)
        check_at_least("batch_images", self.batch_images, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class TextPretrain:
    """A segment of a trunk: text pre-training up to `end_tokens`.

    It is named by its trunk and where it ends, never by where it began: the segment before it is
    how the weights are reached, not what they are.

    Raises:
        ConfigError: if a value lies outside the range stated below.
    """

    model: ModelConfig
    """The decoder."""
    text: DataSource
    """Token shards."""
    val_text: DataSource | None
    """Held-out token shards for `val_text_loss`."""
    end_tokens: int
    """Tokens seen at the segment's end. A multiple of `batch_tokens`."""
    batch_tokens: int
    """Tokens per optimizer step, over all devices. A multiple of the sequence length."""
    schedule: Schedule
    """Learning rate over the tokens of the whole trunk."""
    optimizer: OptimizerConfig
    """AdamW's settings."""
    seed: int
    """Seeds the initial weights and the data order."""

    def __post_init__(self) -> None:
        check_batches(self.end_tokens, self.batch_tokens, self.model.seq_len, "end_tokens")


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageTextPretrain:
    """A branch: pre-training on text and captioned images, from a trunk's checkpoint or scratch.

    Raises:
        ConfigError: if a value lies outside the range stated below.
    """

    model: ModelConfig
    """The decoder."""
    vision: VisionConfig
    """How it sees images."""
    text: DataSource
    """Token shards; the trunk's, read on from where the trunk stood."""
    captions: DataSource
    """Image-caption shards."""
    val_text: DataSource | None
    """Held-out token shards for `val_text_loss`."""
    val_captions: DataSource | None
    """Held-out image-caption shards for `val_caption_loss`."""
    image_ratio: float
    """Share of `tokens` in sequences of captioned images (patches and captions), in [0, 1]."""
    tokens: int
    """Tokens of this stage, text and image together. A multiple of `batch_tokens`."""
    text_start: int
    """Tokens of `text` that the trunk has read; this stage reads on from there. At least 0."""
    batch_tokens: int
    """Tokens per optimizer step, over all devices. A multiple of the sequence length."""
    schedule: Schedule
    """Learning rate over this stage's tokens."""
    optimizer: OptimizerConfig
    """AdamW's settings."""
    optimizer_state: OptimizerState
    """What happens to the trunk's optimizer state."""
    seed: int
    """Seeds the new weights and the data order."""
    trunk: str | None
    """`run_id` of the trunk's segment it starts from; None from scratch."""
    tower: str | None
    """`run_id` of the vision tower's training; None if the encoder needs none."""

    def __post_init__(self) -> None:
        check_share("image_ratio", self.image_ratio)
        check_at_least("text_start", self.text_start, 0)
        check_batches(self.tokens, self.batch_tokens, self.model.seq_len, "tokens")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finetune:
    """Fine-tuning on instructions; human turns carry no loss.

    Raises:
        ConfigError: if a value lies outside the range stated below.
    """

    model: ModelConfig
    """The decoder."""
    vision: VisionConfig
    """How it sees images."""
    instructions: DataSource
    """LLaVA rows with their images."""
    examples: int
    """Rows of `instructions`, checked when the run starts. At least 1."""
    epochs: int
    """Passes over the rows. At least 1."""
    batch_examples: int
    """Rows per optimizer step, over all devices. At least 1."""
    val_text: DataSource | None
    """Held-out token shards for `val_text_loss`."""
    val_captions: DataSource | None
    """Held-out image-caption shards for `val_caption_loss`."""
    schedule: Schedule
    """Learning rate over the examples seen."""
    optimizer: OptimizerConfig
    """AdamW's settings."""
    seed: int
    """Seeds the data order, and the projector's weights where the parent has none."""
    parent: str
    """`run_id` of the pre-training it starts from."""
    tower: str | None
    """`run_id` of the vision tower's training; None if the encoder needs none."""

    def __post_init__(self) -> None:
        for name in ("examples", "epochs", "batch_examples"):
            check_at_least(name, getattr(self, name), 1)
        if self.batch_examples > self.examples * self.epochs:
            raise ConfigError(
                f"batch_examples is {self.batch_examples}, more than the "
                f"{self.examples * self.epochs} examples of the whole stage",
                where="batch_examples",
                mend="lower batch_examples, so that at least one step is taken",
            )

    @property
    def steps(self) -> int:
        """Optimizer steps; the last, partial batch is dropped."""
        return self.examples * self.epochs // self.batch_examples


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteConfig:
    """A fixed list of benchmarks, asked in one way.

    Raises:
        ConfigError: if a value lies outside the range stated below.
    """

    name: str
    """Unique in a study."""
    kind: SuiteKind
    """Which harness runs it."""
    data: DataSource
    """Where the benchmarks' index files or tasks lie."""
    benchmarks: tuple[str, ...]
    """Names of benchmarks (vision) or of the harness's tasks (text)."""
    images: Images = Images.GIVEN
    """Which image is shown."""
    limit: int | None = None
    """Questions per benchmark, chosen by a stable hash; None for all. At least 1."""

    def __post_init__(self) -> None:
        if not self.benchmarks:
            raise ConfigError("a suite has no benchmark", "benchmarks", "name at least one")
        if self.limit is not None:
            check_at_least("limit", self.limit, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluate:
    """One suite asked of one trained model."""

    model: ModelConfig
    """The decoder."""
    vision: VisionConfig | None
    """How it sees images; None for a trunk."""
    suite: SuiteConfig
    """What is asked."""
    parent: str
    """`run_id` of the model."""
    tower: str | None
    """`run_id` of the vision tower's training; None if there is none."""
    seed: int
    """Seeds the permutation of images."""


RunConfig = TowerPretrain | TextPretrain | ImageTextPretrain | Finetune | Evaluate
"""What one run is."""

STAGES: dict[Stage, type[RunConfig]] = {
    Stage.TOWER_PRETRAIN: TowerPretrain,
    Stage.TEXT_PRETRAIN: TextPretrain,
    Stage.IMAGE_TEXT_PRETRAIN: ImageTextPretrain,
    Stage.FINETUNE: Finetune,
    Stage.EVALUATE: Evaluate,
}


STAGE_FUNCTIONS = {stage: f"models.stages:{stage.value}" for stage in Stage}
"""The functions behind the stages, unless a study names its own."""


def stage_of(config: RunConfig) -> Stage:
    """Return the stage that a run's config belongs to."""
    return next(stage for stage, kind in STAGES.items() if isinstance(config, kind))


def check_batches(tokens: int, batch_tokens: int, seq_len: int, name: str) -> None:
    """Refuse a token budget that is not a whole number of steps of whole sequences.

    Raises:
        ConfigError: naming the field and the nearest values that fit.
    """
    check_at_least("batch_tokens", batch_tokens, 1)
    if batch_tokens % seq_len:
        raise ConfigError(
            f"batch_tokens is {batch_tokens}, not a multiple of seq_len {seq_len}",
            where="batch_tokens",
            mend=f"give {max(1, batch_tokens // seq_len) * seq_len}",
        )
    if tokens < batch_tokens:
        raise ConfigError(
            f"{name} is {tokens}, smaller than one batch of {batch_tokens} tokens",
            where=name,
            mend=f"give at least {batch_tokens}, or lower batch_tokens",
        )
    if tokens % batch_tokens:
        below = tokens // batch_tokens * batch_tokens
        raise ConfigError(
            f"{name} is {tokens}, not a multiple of batch_tokens {batch_tokens}",
            where=name,
            mend=f"give {below} or {below + batch_tokens}",
        )
