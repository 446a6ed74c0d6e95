"""Figure 7: instruction data among the images of pre-training."""

from analysis.figures.curve import Curve
from analysis.figures.curves import draw_curve
from analysis.figures.drawn import Drawn
from analysis.study import StudyResults

NAME = "figure_7"
CURVE = Curve(
    name=NAME,
    title="Instruction data in pre-training: scores against its share of the image data",
    axis="instruction_ratio",
    label="share of instruction data in the image data (%)",
    is_share=True,
)


def draw(study: StudyResults) -> Drawn:
    """Draw vision and text scores against the share of instruction data.

    Raises:
        RecordError: if nothing of its arms has been measured.
    """
    return draw_curve(study, CURVE)
