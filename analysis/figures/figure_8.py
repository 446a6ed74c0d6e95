"""Figure 8: how long to fine-tune."""

from analysis.figures.curve import Curve
from analysis.figures.curves import draw_curve
from analysis.figures.drawn import Drawn
from analysis.study import StudyResults

NAME = "figure_8"
CURVE = Curve(
    name=NAME,
    title="How long to fine-tune: scores against epochs",
    axis="epochs",
    label="fine-tuning epochs",
    is_share=False,
)


def draw(study: StudyResults) -> Drawn:
    """Draw vision and text scores against fine-tuning epochs.

    Raises:
        RecordError: if nothing of its arms has been measured.
    """
    return draw_curve(study, CURVE)
