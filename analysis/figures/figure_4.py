"""Figure 4: when to add images."""

from analysis.figures.curve import Curve
from analysis.figures.curves import draw_curve
from analysis.figures.drawn import Drawn
from analysis.study import StudyResults

NAME = "figure_4"
CURVE = Curve(
    name=NAME,
    title="When to add images: scores against the cooldown point",
    axis="cooldown_point",
    label="share of the text budget seen before images (%)",
    is_share=True,
    facet="learning_rate_rule",
    has_blind=True,
)


def draw(study: StudyResults) -> Drawn:
    """Draw vision and text scores against the cooldown point, by learning-rate rule.

    Raises:
        RecordError: if nothing of its arms has been measured.
    """
    return draw_curve(study, CURVE)
