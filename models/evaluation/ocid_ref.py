"""OCID-Ref: name the box that an expression speaks of, in more or less clutter. Pure.

Wang et al. 2021 (arXiv:2103.07679). Scored like RefCOCO, but a quarter of overlap is right.
"""

from models.evaluation.boxes import RefCoco
from models.evaluation.question import Question, Row

CLUTTER = ("Minimum Clutter", "Medium Clutter", "Maximum Clutter")
"""Groups of questions, as vlm-evaluation's index files name them."""


class OcidRef(RefCoco):
    """The family of OCID-Ref."""

    right_overlap = 0.25
    """Least intersection over union of a right box (vlm-evaluation, ocidref.py)."""

    def question(self, question_id: str, row: Row) -> Question:
        """Read a row: ref_expression, img_path, bbox, clutter_split."""
        clutter = row.text("clutter_split")
        if clutter not in CLUTTER:
            raise row.refuse("clutter_split", f"one of {', '.join(CLUTTER)}")
        return self.located(question_id, row, clutter.removesuffix(" Clutter").lower())
