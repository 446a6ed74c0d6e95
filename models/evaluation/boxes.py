"""RefCOCO: name the box that an expression speaks of. Pure.

Boxes are x1, y1, x2, y2 as shares of the image's width and height. A prediction counts if it is a
Python list of four numbers in [0, 1] with x1 < x2 and y1 < y2, and overlaps the right box by half.
"""

import ast
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self, cast

from models.evaluation.answering import MAJORITY_ACCURACY, majority_answer
from models.evaluation.discrimination import Probabilities
from models.evaluation.family import Average
from models.evaluation.problem import Problem
from models.evaluation.prompts import region
from models.evaluation.question import Question, Row
from models.evaluation.scores import Score

RIGHT_OVERLAP = 0.5
"""Least intersection over union of a right box (Yu et al. 2016, arXiv:1608.00272)."""
_DECIMALS = 2  # of a box in the index files and in answers


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in shares of the image's sides; x to the right, y downwards."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def area(self) -> float:
        """Share of the image."""
        return (self.right - self.left) * (self.bottom - self.top)

    def text(self) -> str:
        """Write the box as a model should: [0.25, 0.10, 0.50, 0.40]."""
        sides = (self.left, self.top, self.right, self.bottom)
        return f"[{', '.join(f'{side:.{_DECIMALS}f}' for side in sides)}]"


FULL_IMAGE = Box(0.0, 0.0, 1.0, 1.0)
"""The box around everything."""
CENTRE_BOX_ACCURACY = "centre_box_accuracy"
"""What a box of the index's mean width and height, in the middle of the image, would score."""
NARROWEST = 0.02
"""Least side of the guess in the middle: from 0.49 to 0.51."""
FULL_IMAGE_ACCURACY = "full_image_accuracy"
"""What the box around everything would score."""


class RefCoco:
    """The family of RefCOCO, RefCOCO+ and RefCOCOg."""

    metric = "iou_accuracy"
    average = Average.QUESTIONS
    right_overlap = RIGHT_OVERLAP
    """Least intersection over union of a right box."""

    def question(self, question_id: str, row: Row) -> Question:
        """Read a row: ref_expression, img_path, bbox, refer_dataset."""
        return self.located(question_id, row, row.optional_text("refer_dataset"))

    def located(self, question_id: str, row: Row, group: str) -> Question:
        """Read the part of a row that all families of boxes share: ref_expression, img_path, bbox.

        A box that rounding made flat is kept, as in vlm-evaluation, and no answer meets it.
        """
        box = _sides(row.values.get("bbox"))
        if box is None or box.left > box.right or box.top > box.bottom:
            raise row.refuse("bbox", "a list x1, y1, x2, y2 in [0, 1] with x1 < x2 and y1 < y2")
        return Question(
            question_id=question_id,
            image=row.text("img_path"),
            text=region(row.text("ref_expression")),
            answer=box.text(),
            group=group,
            faults=() if box.area > 0 else (Problem.FLAT_BOX,),
        )

    def of_index(self, questions: Sequence[Question]) -> Self:
        """Return the same: a score depends on its own question alone."""
        del questions
        return self

    def options(self, questions: Sequence[Question]) -> tuple[str, ...]:
        """Return none: answers are free."""
        del questions
        return ()

    def score(self, prediction: str, question: Question) -> float:
        """Return 1 for a box that overlaps the right one enough; unreadable is wrong."""
        box, right = parse_box(prediction), parse_box(question.answer)
        if box is None or right is None:
            return 0.0
        return float(overlap(box, right) >= self.right_overlap)

    def baselines(self, questions: Sequence[Question]) -> list[float]:
        """Return what the index's mean box, put in the middle of the image, scores on each."""
        guess = _centre(questions).text()
        return [self.score(guess, question) for question in questions]

    def constants(self, questions: Sequence[Question]) -> Mapping[str, str]:
        """Return the most common box, the mean box in the middle, and the whole image."""
        return {
            MAJORITY_ACCURACY: majority_answer(questions),
            CENTRE_BOX_ACCURACY: _centre(questions).text(),
            FULL_IMAGE_ACCURACY: FULL_IMAGE.text(),
        }

    def problems(self, prediction: str, question: Question) -> tuple[Problem, ...]:
        """Name what is wrong with a row or its prediction."""
        if not prediction.strip():
            return (*question.faults, Problem.EMPTY_ANSWER)
        is_read = parse_box(prediction) is not None
        return question.faults if is_read else (*question.faults, Problem.UNREADABLE_BOX)

    def extra(
        self,
        questions: Sequence[Question],
        predictions: Sequence[str],
        probabilities: Sequence[Probabilities],
    ) -> tuple[Score, ...]:
        """Return no further metric."""
        del questions, predictions, probabilities
        return ()


def parse_box(text: str) -> Box | None:
    """Read a Python list of four numbers; None if it is anything else or no box."""
    try:
        value: object = ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return None  # all that literal_eval raises for text that is no literal
    return _box(value)


def overlap(one: Box, other: Box) -> float:
    """Return intersection over union, in [0, 1]."""
    width = min(one.right, other.right) - max(one.left, other.left)
    height = min(one.bottom, other.bottom) - max(one.top, other.top)
    if width <= 0 or height <= 0:
        return 0.0
    shared = width * height
    return shared / (one.area + other.area - shared)


def centre_box(boxes: Sequence[Box | None]) -> Box:
    """Return a box of the mean width and height of `boxes` in the middle of the image.

    It is wide and high enough to be one when it is written with two decimals.
    """
    known = [box for box in boxes if box is not None]
    if not known:  # all are flat, and nothing meets them
        return FULL_IMAGE
    width = max(NARROWEST, math.fsum(box.right - box.left for box in known) / len(known))
    height = max(NARROWEST, math.fsum(box.bottom - box.top for box in known) / len(known))
    return Box(0.5 - width / 2, 0.5 - height / 2, 0.5 + width / 2, 0.5 + height / 2)


def _centre(questions: Sequence[Question]) -> Box:
    return centre_box([parse_box(question.answer) for question in questions])


def _box(value: object) -> Box | None:
    box = _sides(value)
    return None if box is None or box.left >= box.right or box.top >= box.bottom else box


def _sides(value: object) -> Box | None:
    """Read four shares, in any order of size."""
    if not isinstance(value, list):
        return None
    sides: list[float] = []
    for side in cast(list[object], value):
        if isinstance(side, bool) or not isinstance(side, int | float) or not 0 <= side <= 1:
            return None
        sides.append(float(side))
    return Box(*sides) if len(sides) == 4 else None
