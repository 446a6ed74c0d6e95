"""What the paper claims and its reviewers asked for, as differences that a study can measure.

The paper is Keh et al. 2025 (arXiv:2503.07603). Pure.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

import pandas as pd

from analysis.figures.curve import SCORE

Rows = pd.DataFrame
Choose = Callable[[Rows], "pd.Series[bool]"]


class Direction(StrEnum):
    """What the paper says of a difference."""

    ABOVE = "above 0"
    BELOW = "below 0"
    HOLDS = "no change"


@dataclass(frozen=True, slots=True, kw_only=True)
class Contrast:
    """A difference between two sides, paired over everything else."""

    name: str
    """Unique."""
    statement: str
    """Left side minus right side, in words."""
    figure: str
    """Whose arms it is computed over."""
    suites: tuple[str, ...]
    """Suites whose average score is compared."""
    axes: tuple[str, ...]
    """Columns in which the sides differ; all other axes are equal within a pair."""
    left: Choose
    """Rows of the left side."""
    right: Choose
    """Rows of the right side."""
    direction: Direction
    """What the paper says of the difference."""
    paper: str
    """The same in words."""
    metric: str = SCORE
    """Metric of the suites' average."""


def at(**values: Sequence[str] | Sequence[float]) -> Choose:
    """Return a filter for rows whose axes have one of these values."""

    def choose(rows: Rows) -> "pd.Series[bool]":
        chosen = pd.Series(data=True, index=rows.index, dtype="bool")
        for name, allowed in values.items():
            chosen &= rows[name].isin(list(allowed))
        return chosen

    return choose


def with_images(rows: Rows) -> "pd.Series[bool]":
    """Choose rows of models from scratch that saw images in pre-training."""
    return (rows["image_ratio"] > 0) & (rows["cooldown_point"] == 0)


def with_instructions(rows: Rows) -> "pd.Series[bool]":
    """Choose rows of models whose pre-training images were instructions in part."""
    return rows["instruction_ratio"] > 0


_TIMING = "images added at 80 % are about 2 points above a fully pre-trained model"
_SIGHT = "its reviewers ask for it; a model that uses the image scores above its control"
_RULE = "learning_rate_rule"

CONTRASTS = (
    Contrast(
        name="timing_equal_peak",
        statement="Vision: cooldown point 80 % minus 100 %, equal peak learning rate",
        figure="figure_4",
        suites=("vision",),
        axes=("cooldown_point",),
        left=at(cooldown_point=[0.8], learning_rate_rule=["equal_peak"]),
        right=at(cooldown_point=[1.0], learning_rate_rule=["equal_peak"]),
        direction=Direction.ABOVE,
        paper=_TIMING,
    ),
    Contrast(
        name="timing_inherited",
        statement="Vision: cooldown point 80 % minus 100 %, inherited learning rate",
        figure="figure_4",
        suites=("vision",),
        axes=("cooldown_point",),
        left=at(cooldown_point=[0.8], learning_rate_rule=["inherited"]),
        right=at(cooldown_point=[1.0], learning_rate_rule=["inherited"]),
        direction=Direction.ABOVE,
        paper=_TIMING,
    ),
    Contrast(
        name="timing_as_published",
        statement="Vision: 80 % with inherited learning rate minus 100 % re-warmed",
        figure="figure_4",
        suites=("vision",),
        axes=("cooldown_point", _RULE),
        left=at(cooldown_point=[0.8], learning_rate_rule=["inherited"]),
        right=at(cooldown_point=[1.0], learning_rate_rule=["rewarmed"]),
        direction=Direction.ABOVE,
        paper=_TIMING,
    ),
    Contrast(
        name="timing_text_equal_peak",
        statement="Text: cooldown point 80 % minus 100 %, equal peak learning rate",
        figure="figure_4",
        suites=("text",),
        axes=("cooldown_point",),
        left=at(cooldown_point=[0.8], learning_rate_rule=["equal_peak"]),
        right=at(cooldown_point=[1.0], learning_rate_rule=["equal_peak"]),
        direction=Direction.HOLDS,
        paper="text scores hold",
    ),
    Contrast(
        name="timing_text_as_published",
        statement="Text: 80 % with inherited learning rate minus 100 % re-warmed",
        figure="figure_4",
        suites=("text",),
        axes=("cooldown_point", _RULE),
        left=at(cooldown_point=[0.8], learning_rate_rule=["inherited"]),
        right=at(cooldown_point=[1.0], learning_rate_rule=["rewarmed"]),
        direction=Direction.HOLDS,
        paper="text scores hold",
    ),
    Contrast(
        name="scratch_vision",
        statement="Vision, from scratch: with image data minus without",
        figure="figure_6",
        suites=("vision",),
        axes=("image_ratio",),
        left=with_images,
        right=at(image_ratio=[0.0], cooldown_point=[0.0]),
        direction=Direction.BELOW,
        paper="from scratch, image data hurts vision",
    ),
    Contrast(
        name="scratch_text",
        statement="Text, from scratch: with image data minus without",
        figure="figure_6",
        suites=("text",),
        axes=("image_ratio",),
        left=with_images,
        right=at(image_ratio=[0.0], cooldown_point=[0.0]),
        direction=Direction.BELOW,
        paper="from scratch, image data hurts text",
    ),
    Contrast(
        name="instructions_vision",
        statement="Vision: instruction data among the images of pre-training minus none",
        figure="figure_7",
        suites=("vision",),
        axes=("instruction_ratio",),
        left=with_instructions,
        right=at(instruction_ratio=[0.0]),
        direction=Direction.BELOW,
        paper="instruction data inside image-text pre-training hurts vision",
    ),
    Contrast(
        name="epochs_vision",
        statement="Vision: 2-4 fine-tuning epochs minus 1",
        figure="figure_8",
        suites=("vision",),
        axes=("epochs",),
        left=at(epochs=(2, 3, 4)),
        right=at(epochs=[1]),
        direction=Direction.ABOVE,
        paper="2-4 fine-tuning epochs are best for vision",
    ),
    Contrast(
        name="epochs_text",
        statement="Text: 2 fine-tuning epochs minus 3-4",
        figure="figure_8",
        suites=("text",),
        axes=("epochs",),
        left=at(epochs=[2]),
        right=at(epochs=(3, 4)),
        direction=Direction.ABOVE,
        paper="2 epochs keep text highest",
    ),
)
"""What the paper claims, as differences."""

CONTROLS = (
    Contrast(
        name="sight",
        statement="Vision score with the image minus without",
        figure="controls",
        suites=("vision", "vision_blind"),
        axes=("suite",),
        left=at(suite=["vision"]),
        right=at(suite=["vision_blind"]),
        direction=Direction.ABOVE,
        paper=_SIGHT,
        metric="score",
    ),
    Contrast(
        name="right_image",
        statement="Vision score with the image minus with another question's",
        figure="controls",
        suites=("vision", "vision_permuted"),
        axes=("suite",),
        left=at(suite=["vision"]),
        right=at(suite=["vision_permuted"]),
        direction=Direction.ABOVE,
        paper=_SIGHT,
        metric="score",
    ),
)
"""What its reviewers asked for."""
