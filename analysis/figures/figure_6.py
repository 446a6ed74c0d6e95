"""Figure 6: how much image data from scratch, without a trunk."""

from analysis.figures.curve import Curve
from analysis.figures.curves import draw_curve
from analysis.figures.drawn import Drawn
from analysis.study import StudyResults

NAME = "figure_6"
CURVE = Curve(
    name=NAME,
    title="How much image data from scratch: scores against the image ratio",
    axis="image_ratio",
    label="share of image-text tokens (%)",
    is_share=True,
)


def draw(study: StudyResults) -> Drawn:
    """Draw vision and text scores against the image ratio of training from scratch.

    Raises:
        RecordError: if nothing of its arms has been measured.
    """
    return draw_curve(study, CURVE)
