"""What a run processes, whatever it runs on: positions, images, steps. Pure.

Where the data alone could say how much there is, a named assumption stands in: nothing here reads
a file.
"""

from dataclasses import dataclass
from typing import assert_never

from orchestrator.errors import PlanError
from orchestrator.plan.cost.count import TRAINING_PASSES
from orchestrator.spec.model import Encoder, ModelConfig, VisionConfig
from orchestrator.spec.ratio import images_before
from orchestrator.spec.run import (
    Average,
    Evaluate,
    Filter,
    Finetune,
    ImageTextPretrain,
    RunConfig,
    Soup,
    TextPretrain,
    TowerPretrain,
)
from orchestrator.spec.suite import (
    INTEGRATION_CAPTIONS,
    HeldOutBenchmark,
    Images,
    SuiteConfig,
    SuiteKind,
)

CAPTION_POSITIONS = 32
"""Assumed positions of a caption with the END_OF_TEXT behind it. At 729 positions an image, a
sequence of 2,048 holds two images for any mean of 1 to 295."""

CAPTIONS_TO_FILTER = 1_000_000
"""Assumed captions of a source that is filtered: a plan cannot look."""
TOKENS_TO_FILTER = 1_000_000_000
"""Assumed tokens of a text that is filtered."""

QUESTIONS_WITHOUT_LIMIT = 1_000
"""Assumed questions of a benchmark whose suite names no limit."""

CAPTIONS_WITHOUT_LIMIT = 1_000
"""Assumed captions of held-out images whose suite names no limit."""

SEQUENCES_WITHOUT_LIMIT = 1_000
"""Assumed sequences of held-out text whose suite names no limit."""

POSITIONS_PER_QUESTION = 48
"""Assumed positions of a question with its answer, beside the image's."""

BATCH_POSITIONS = 8_192
"""Positions that are asked at once (`models/evaluation/respondent.py`)."""

FORWARD_PASSES = 1
"""Of a run that does not train."""


@dataclass(frozen=True, slots=True)
class Amount:
    """What one run processes, beyond what its parents did."""

    steps: int = 0
    """Optimizer steps; 0 for a run that does not train."""
    positions: int = 0
    """Positions that pass the decoder forward."""
    length: int = 1
    """Positions of a sequence, for attention."""
    in_image_sequences: int = 0
    """Those of `positions` in sequences of captioned images or instructions."""
    scored: int = 0
    """Positions whose next token is scored: the output layer skips the others."""
    images: int = 0
    """Images whose features pass the projector."""
    compared: int = 0
    """Positions whose states are held at once to be compared, layer by layer."""
    passes: int = FORWARD_PASSES
    """Forward passes that decoder and projector cost."""
    tower_passes: int = 0
    """Forward passes that each image costs the tower; 0 where features are stored."""


def amount(
    config: RunConfig, *, begin_tokens: int, tokens_per_example: int, captions: int
) -> Amount:
    """Return what a run processes beyond its parents.

    Held-out losses, and the features that a tower's run stores, are left out: they follow from the
    size of data that a plan does not look at.

    Args:
        config: what the run is.
        begin_tokens: for a trunk segment, where it begins.
        tokens_per_example: for fine-tuning, mean positions of a row, its image included.
        captions: for a filter, how many there are to score.

    Raises:
        PlanError: if an image leaves no position of a sequence for text.
    """
    match config:
        case TowerPretrain():
            images = config.steps * config.batch_images
            return Amount(steps=config.steps, images=images, tower_passes=TRAINING_PASSES)
        case TextPretrain():
            return _text(config, begin_tokens)
        case ImageTextPretrain():
            return _image_text(config)
        case Finetune():
            return _finetune(config, tokens_per_example)
        case Filter():
            return _filter(config, captions)
        case Average():
            return _average(config)
        case Evaluate() if config.suite.kind is SuiteKind.HELD_OUT:
            return _held_out(config)
        case Evaluate():
            return evaluation(config.vision, config.suite)
        case _:
            assert_never(config)


def evaluation(vision: VisionConfig | None, suite: SuiteConfig, times: int = 1) -> Amount:
    """Return what asking a suite `times` over takes, each question in one pass.

    Text suites ask more than once where there are options, and generate; the assumed positions
    stand for all of it.
    """
    questions = times * (suite.limit or QUESTIONS_WITHOUT_LIMIT) * len(suite.benchmarks)
    sees = suite.kind is SuiteKind.VISION and suite.images is not Images.BLIND
    shown = vision if sees else None
    length = POSITIONS_PER_QUESTION + (shown.image_tokens if shown else 0)
    return Amount(
        positions=questions * length,
        length=length,
        scored=questions * POSITIONS_PER_QUESTION,
        images=questions if shown else 0,
        tower_passes=tower_passes(shown, FORWARD_PASSES) if shown else 0,
    )


def _held_out(config: Evaluate) -> Amount:
    """Return what measuring on held-out data takes; covariances and their roots are left out.

    Of n tokens, these and their errors are about 45 width^3 + 4 n width^2 FLOP a layer, once a run:
    4e13 at width 2,048 and depth 24, where the forward pass of 100 captions takes some 2e14.
    """
    suite, seq_len = config.suite, config.model.seq_len
    shown = None if suite.images is Images.BLIND else config.vision
    behind = CAPTION_POSITIONS + (shown.image_tokens if shown else 0)
    loss, rate, text = (
        (suite.limit or without) if one in suite.benchmarks else 0
        for one, without in (
            (HeldOutBenchmark.CAPTION_LOSS, CAPTIONS_WITHOUT_LIMIT),
            (HeldOutBenchmark.MODALITY_INTEGRATION_RATE, INTEGRATION_CAPTIONS),
            (HeldOutBenchmark.TEXT_LOSS, SEQUENCES_WITHOUT_LIMIT),
        )
    )
    captions = loss + rate
    positions = captions * behind + text * seq_len
    return Amount(
        positions=positions,
        length=(captions * behind**2 + text * seq_len**2) // positions,  # the mean over positions
        scored=loss * CAPTION_POSITIONS + text * seq_len,
        images=captions if shown else 0,
        compared=rate * behind,
        tower_passes=tower_passes(shown, FORWARD_PASSES) if shown and captions else 0,
    )


def tower_passes(vision: VisionConfig, passes: int) -> int:
    """Return the forward passes of the tower per image in a run that costs the decoder `passes`.

    A frozen tower needs no backward pass. The features of the study's own frozen tower are stored
    when it is trained, and only read afterwards.
    """
    if vision.encoder is Encoder.PATCH:
        return 0
    if not vision.frozen:
        return passes
    return 0 if vision.encoder is Encoder.CNN else FORWARD_PASSES


def images_per_sequence(model: ModelConfig, vision: VisionConfig) -> int:
    """Return how many captioned images are packed into one sequence.

    Raises:
        PlanError: if an image leaves no position for text.
    """
    _check_room(model, vision)
    ids = model.seq_len + 1  # the last one is only a target
    return max(1, ids // (vision.image_tokens + CAPTION_POSITIONS))


def _text(config: TextPretrain, begin_tokens: int) -> Amount:
    tokens = config.end_tokens - begin_tokens
    return Amount(
        steps=tokens // config.batch_tokens,
        positions=tokens,
        length=config.model.seq_len,
        scored=tokens,
        passes=TRAINING_PASSES,
    )


def _image_text(config: ImageTextPretrain) -> Amount:
    """Sequences of packed instructions are taken to hold what those of captioned images hold."""
    seq_len = config.model.seq_len
    with_images = images_before(config.tokens // seq_len, config.image_ratio)
    images = with_images * images_per_sequence(config.model, config.vision) if with_images else 0
    return Amount(
        steps=config.tokens // config.batch_tokens,
        positions=config.tokens,
        length=seq_len,
        in_image_sequences=with_images * seq_len,
        scored=config.tokens - with_images * seq_len + images * CAPTION_POSITIONS,
        images=images,
        passes=TRAINING_PASSES,
        tower_passes=tower_passes(config.vision, TRAINING_PASSES),
    )


def _finetune(config: Finetune, tokens_per_example: int) -> Amount:
    """Every row is assumed to have an image, and all its text to be scored, questions too."""
    _check_room(config.model, config.vision)
    examples = config.steps * config.batch_examples
    positions = examples * tokens_per_example
    return Amount(
        steps=config.steps,
        positions=positions,
        length=min(tokens_per_example, config.model.seq_len),
        in_image_sequences=positions,
        scored=examples * max(0, tokens_per_example - config.vision.image_tokens),
        images=examples,
        passes=TRAINING_PASSES,
        tower_passes=tower_passes(config.vision, TRAINING_PASSES),
    )


def _filter(config: Filter, captions: int) -> Amount:
    if config.vision is None:
        tokens, length = TOKENS_TO_FILTER, config.model.seq_len
        return Amount(positions=tokens, length=length, scored=tokens)
    _check_room(config.model, config.vision)
    length = config.vision.image_tokens + CAPTION_POSITIONS
    return Amount(
        positions=captions * length,
        length=length,
        scored=captions * CAPTION_POSITIONS,
        images=captions,
        tower_passes=tower_passes(config.vision, FORWARD_PASSES),
    )


def _average(config: Average) -> Amount:
    """A greedy soup asks its suite of each member, and of each soup that one more would make."""
    if config.soup is Soup.UNIFORM or config.selection is None:
        return Amount()
    return evaluation(config.vision, config.selection, times=2 * len(config.members) - 1)


def _check_room(model: ModelConfig, vision: VisionConfig) -> None:
    if vision.image_tokens >= model.seq_len:
        raise PlanError(
            f"an image takes {vision.image_tokens} positions of a sequence of {model.seq_len}",
            where="model.seq_len",
            mend="use longer sequences, smaller images or larger patches, so that text has room",
        )
