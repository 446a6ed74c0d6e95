"""What identifies one run: for each stage, the values that decide its result, and nothing else.

Where and how a run executes (device, threads, folders, micro-batch) is never here: the same run on
another machine keeps its `run_id`. Parents are named by their own `run_id`.
"""

from dataclasses import dataclass
from enum import StrEnum

from orchestrator.errors import ConfigError
from orchestrator.spec.checks import check_at_least, check_positive, check_share
from orchestrator.spec.model import ModelConfig, VisionConfig
from orchestrator.spec.optimizer import OptimizerConfig, OptimizerState
from orchestrator.spec.schedule import Schedule
from orchestrator.spec.source import DataSource
from orchestrator.spec.suite import SuiteConfig, SuiteKind


class Stage(StrEnum):
    """The kinds of run, in the order a model passes through them."""

    TOWER_PRETRAIN = "tower_pretrain"
    TEXT_PRETRAIN = "text_pretrain"
    IMAGE_TEXT_PRETRAIN = "image_text_pretrain"
    FILTER = "filter"
    FINETUNE = "finetune"
    AVERAGE = "average"
    EVALUATE = "evaluate"


class Soup(StrEnum):
    """How members of a model soup are chosen (Wortsman et al. 2022, arXiv:2203.05482)."""

    UNIFORM = "uniform"
    """All of them, equally."""
    GREEDY = "greedy"
    """From the best one on, each that does not lower the average's score on `selection`."""


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


class Filtered(StrEnum):
    """What a filter chooses from."""

    CAPTIONS = "captions"
    """Captioned images that the branch reads, scored by a branch that reads all of them."""
    TEXT = "text"
    """Documents that the trunk reads, scored by a trunk that reads all of them."""


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
    text_from: str | None = None
    """`run_id` of the filter that has written the documents of `text` to read; None for all."""

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
    captions_from: str | None = None
    """`run_id` of the filter that says which of `captions` are read; None for all of them."""
    instruction_ratio: float = 0.0
    """Share of the image sequences that are packed instruction rows instead of captioned images,
    in [0, 1]."""
    text_seed: int | None = None
    """Seeds the order of text, where the trunk that began to read it has another seed; None for
    `seed`."""
    instructions: DataSource | None = None
    """LLaVA rows with their images; needed where `instruction_ratio` is above 0."""
    text_from: str | None = None
    """`run_id` of the filter that has written the documents of `text` to read; None for all."""
    tower_lr_scale: float = 1.0
    """Learning rate of a tower that is trained too, in multiples of the schedule's. Above 0."""

    def __post_init__(self) -> None:
        _check_tower_lr_scale(self.tower_lr_scale, self.vision)
        check_share("image_ratio", self.image_ratio)
        check_share("instruction_ratio", self.instruction_ratio)
        check_at_least("text_start", self.text_start, 0)
        check_batches(self.tokens, self.batch_tokens, self.model.seq_len, "tokens")
        if self.instruction_ratio > 0 and self.instructions is None:
            raise ConfigError(
                f"instruction_ratio is {self.instruction_ratio}, but there are no instructions",
                where="instructions",
                mend="name the source of instruction rows, or set instruction_ratio to 0",
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Keep the captions or documents that a trained model finds least surprising.

    As POINTS does with captions (arXiv:2409.04828). The result says which samples of `captions` are
    kept, and copies no image; the documents of `text` that are kept are written as new shards.

    Raises:
        ConfigError: if `keep` lies outside (0, 1), or not one of captions and text is given.
    """

    model: ModelConfig
    """The decoder of the model that scores."""
    vision: VisionConfig | None
    """How it sees images; None for a model of text alone."""
    captions: DataSource | None
    """Image-caption shards, each caption scored by its perplexity given its image; None for text.
    """
    keep: float
    """Share of the captions or documents kept, those of the lowest perplexity, in (0, 1)."""
    parent: str
    """`run_id` of the model that scores."""
    tower: str | None
    """`run_id` of the vision tower's training; None if the encoder needs none."""
    text: DataSource | None = None
    """Token shards, each document scored by its perplexity; None for captions."""

    def __post_init__(self) -> None:
        if not 0 < self.keep < 1:
            raise ConfigError(
                f"keep is {self.keep}, outside (0, 1)",
                where="keep",
                mend="give the share of captions or documents to keep, such as 20%",
            )
        sees = self.captions is not None
        if (self.text is None) != sees or (sees and self.vision is None):
            raise ConfigError(
                f"a filter of captions {self.captions}, vision {self.vision} and text {self.text}",
                where="filter",
                mend="give captions with the vision that sees their images, or text, and not both",
            )


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
    tower_lr_scale: float = 1.0
    """Learning rate of a tower that is trained too, in multiples of the schedule's. Above 0."""

    def __post_init__(self) -> None:
        _check_tower_lr_scale(self.tower_lr_scale, self.vision)
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
class Average:
    """A model soup: the mean of the weights of runs of one shape.

    Raises:
        ConfigError: if there are fewer than two members, one twice, or a greedy soup has nothing
            to choose by.
    """

    model: ModelConfig
    """The decoder."""
    vision: VisionConfig | None
    """How it sees images; None for a soup of text models."""
    members: tuple[str, ...]
    """`run_id`s of at least two runs, in the order of the study."""
    soup: Soup
    """How members are chosen."""
    selection: SuiteConfig | None
    """Held-out suite that a greedy soup ranks by; None for a uniform one."""
    tower: str | None
    """`run_id` of the vision tower's training; None if the encoder needs none."""

    def __post_init__(self) -> None:
        if len(self.members) < 2 or len(set(self.members)) < len(self.members):
            raise ConfigError(
                f"a soup of {len(set(self.members))} different models is no average",
                where="over",
                mend="give `over` at least two values that lead to different models",
            )
        if (self.soup is Soup.GREEDY) != (self.selection is not None):
            raise ConfigError(
                f"a {self.soup} soup {'needs' if self.selection is None else 'has no use for'} "
                "a selection suite",
                where="selection",
                mend="name a held-out suite for a greedy soup, and none for a uniform one",
            )
        if self.selection is not None and self.selection.kind is SuiteKind.HELD_OUT:
            raise ConfigError(
                f"the suite {self.selection.name} measures losses, and gives no score to rank by",
                where="selection",
                mend="name a suite of kind text or vision",
            )


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


RunConfig = (
    TowerPretrain | TextPretrain | ImageTextPretrain | Filter | Finetune | Average | Evaluate
)
"""What one run is."""

STAGES: dict[Stage, type[RunConfig]] = {
    Stage.TOWER_PRETRAIN: TowerPretrain,
    Stage.TEXT_PRETRAIN: TextPretrain,
    Stage.IMAGE_TEXT_PRETRAIN: ImageTextPretrain,
    Stage.FILTER: Filter,
    Stage.FINETUNE: Finetune,
    Stage.AVERAGE: Average,
    Stage.EVALUATE: Evaluate,
}


STAGE_FUNCTIONS = {stage: f"models.stages:{stage.value}" for stage in Stage}
"""The functions behind the stages, unless a study names its own."""


_STAGE_OF = {kind: stage for stage, kind in STAGES.items()}


def stage_of(config: RunConfig) -> Stage:
    """Return the stage that a run's config belongs to."""
    return _STAGE_OF[type(config)]


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


def _check_tower_lr_scale(scale: float, vision: VisionConfig) -> None:
    check_positive("tower_lr_scale", scale)
    if scale != 1 and not vision.trains_tower:
        raise ConfigError(
            f"tower_lr_scale is {scale:g}, but no tower is trained",
            where="tower_lr_scale",
            mend="leave it out, or declare an encoder with a tower and `frozen: false`",
        )
