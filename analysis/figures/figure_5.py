"""Figure 5: how much image data late in text pre-training."""

from analysis.figures.curve import Curve
from analysis.figures.curves import draw_curve
from analysis.figures.drawn import Drawn
from analysis.study import StudyResults

NAME = "figure_5"
CURVE = Curve(
    name=NAME,
    title="How much image data, added late: scores against the image ratio",
    axis="image_ratio",
    label="share of image-text tokens in the branch (%)",
    is_share=True,
)


def draw(study: StudyResults) -> Drawn:
    """Draw vision and text scores against the image ratio at the arm's cooldown point.

    Raises:
        RecordError: if nothing of its arms has been measured.
    """
    return draw_curve(study, CURVE)
