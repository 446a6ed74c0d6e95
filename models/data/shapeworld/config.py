"""What a shapeworld is made from: the options of `dataset.json`. Pure."""

from dataclasses import dataclass

from orchestrator.errors import ConfigError
from orchestrator.spec.checks import check_at_least, check_positive

RELEASE = 1
"""Raise when the generator's output changes: worlds of another release have another version."""

GRID = 3
"""Cells along each side of an image; one cell holds at most one shape."""

MOST_ENTITIES = 4096
"""Entities that names can tell apart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShapeworldConfig:
    """The options of one world. The same options give the same bytes.

    Raises:
        ConfigError: if a value lies outside the range stated below.
    """

    release: int
    """Release of the generator; the one that is installed."""
    seed: int
    """Seeds everything. At least 0."""
    seq_len: int
    """T: sequences of text have T + 1 ids, and rows of instructions fit in it. At least 48."""
    train_images: int
    """Captioned images to train on. At least 1."""
    val_images: int
    """Captioned images for `val_caption_loss`. At least 1."""
    scene_images: int
    """Images with their scene, to train a vision tower on. At least 1."""
    instruction_images: int
    """Images with questions and answers to fine-tune on. At least 1."""
    test_images: int
    """Images of the benchmarks. At least 1."""
    text_sequences: int
    """Sequences of text to train on. At least 1."""
    val_sequences: int
    """Sequences of text for `val_text_loss`. At least 1."""
    entities: int
    """Named entities that facts are about, in [1, 4096]."""
    questions: int
    """Questions of each benchmark. At least 6: two for each split of POPE."""
    image_size: int = 48
    """Side of an image in pixels, a multiple of 3 from 36 up."""
    questions_per_image: int = 5
    """Questions in a row of instructions if they fit in it, in [1, 8]."""
    text_rows: int = 0
    """Rows of instructions without an image. At least 0."""
    zipf_exponent: float = 1.0
    """The entity of rank r is spoken of in proportion to r^-zipf_exponent. Above 0."""
    shard_samples: int = 2048
    """Samples per tar file. At least 1."""

    def __post_init__(self) -> None:
        if self.release != RELEASE:
            raise ConfigError(
                f"release is {self.release}, but the generator's release is {RELEASE}",
                where="release",
                mend=f"give release: {RELEASE} (it makes another world), or install the older code",
            )
        for name in ("train", "val", "scene", "instruction", "test"):
            check_at_least(f"{name}_images", getattr(self, f"{name}_images"), 1)
        for name in ("text_sequences", "val_sequences", "entities", "shard_samples"):
            check_at_least(name, getattr(self, name), 1)
        check_at_least("seed", self.seed, 0)
        check_at_least("seq_len", self.seq_len, 48)
        check_at_least("questions", self.questions, 6)
        check_at_least("text_rows", self.text_rows, 0)
        check_positive("zipf_exponent", self.zipf_exponent)
        _check_most("entities", self.entities, MOST_ENTITIES)
        _check_most("questions_per_image", self.questions_per_image, 8)
        check_at_least("questions_per_image", self.questions_per_image, 1)
        check_at_least("image_size", self.image_size, 36)
        if self.image_size % GRID:
            raise ConfigError(
                f"image_size is {self.image_size}, not a multiple of {GRID}",
                where="image_size",
                mend=f"give {self.image_size // GRID * GRID}",
            )


def _check_most(name: str, value: int, most: int) -> None:
    if value > most:
        raise ConfigError(
            f"{name} is {value}, more than {most}", where=name, mend=f"give at most {most}"
        )
