"""RefCOCO: name the box that an expression speaks of. Pure.

Boxes are x1, y1, x2, y2 as shares of the image's width and height. A prediction counts if it is a
Python list of four numbers in [0, 1] with x1 < x2 and y1 < y2, and overlaps the right box by half.
"""

import ast
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

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


class RefCoco:
    """The family of RefCOCO, RefCOCO+ and RefCOCOg."""

    metric = "iou_accuracy"
    average = Average.QUESTIONS

    def question(self, question_id: str, row: Row) -> Question:
        """Read a row: ref_expression, img_path, bbox, refer_dataset."""
        box = _box(row.values.get("bbox"))
        if box is None:
            raise row.refuse("bbox", "a list x1, y1, x2, y2 in [0, 1] with x1 < x2 and y1 < y2")
        return Question(
            question_id=question_id,
            image=row.text("img_path"),
            text=region(row.text("ref_expression")),
            answer=box.text(),
            group=row.optional_text("refer_dataset"),
        )

    def options(self, questions: Sequence[Question]) -> tuple[str, ...]:
        """Return none: answers are free."""
        del questions
        return ()

    def score(self, prediction: str, question: Question) -> float:
        """Return 1 for a box that overlaps the right one by half; unreadable is wrong."""
        box, right = parse_box(prediction), parse_box(question.answer)
        return float(box is not None and right is not None and overlap(box, right) >= RIGHT_OVERLAP)

    def baselines(self, questions: Sequence[Question]) -> list[float]:
        """Return what the index's mean box, put in the middle of the image, scores on each."""
        guess = centre_box([parse_box(question.answer) for question in questions]).text()
        return [self.score(guess, question) for question in questions]

    def problems(self, prediction: str, question: Question) -> tuple[Problem, ...]:
        """Name what is wrong with a prediction."""
        del question
        if not prediction.strip():
            return (Problem.EMPTY_ANSWER,)
        return () if parse_box(prediction) is not None else (Problem.UNREADABLE_BOX,)

    def extra(self, questions: Sequence[Question], predictions: Sequence[str]) -> tuple[Score, ...]:
        """Return no further metric."""
        del questions, predictions
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
    """Return a box of the mean width and height of `boxes` in the middle of the image."""
    known = [box for box in boxes if box is not None]
    assert known, "the caller has read at least one box"
    width = math.fsum(box.right - box.left for box in known) / len(known)
    height = math.fsum(box.bottom - box.top for box in known) / len(known)
    return Box(0.5 - width / 2, 0.5 - height / 2, 0.5 + width / 2, 0.5 + height / 2)


def _box(value: object) -> Box | None:
    if not isinstance(value, list):
        return None
    sides: list[float] = []
    for side in cast(list[object], value):
        if isinstance(side, bool) or not isinstance(side, int | float) or not 0 <= side <= 1:
            return None
        sides.append(float(side))
    if len(sides) != 4 or sides[0] >= sides[2] or sides[1] >= sides[3]:
        return None
    return Box(*sides)
