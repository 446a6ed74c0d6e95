"""Appendix G: how long the text trunk is, as a multiple of the model's parameters."""

from analysis.figures.curve import Curve
from analysis.figures.curves import draw_curve
from analysis.figures.drawn import Drawn
from analysis.study import StudyResults

NAME = "appendix_g"
CURVE = Curve(
    name=NAME,
    title="How long to train on text: scores against the trunk's token budget",
    axis="text_tokens",
    label="text tokens of the trunk",
    is_share=False,
    is_log=True,
)


def draw(study: StudyResults) -> Drawn:
    """Draw vision and text scores against the token budget of the trunk.

    Raises:
        RecordError: if nothing of its arms has been measured.
    """
    return draw_curve(study, CURVE)
