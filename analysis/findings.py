"""What a study found, computed: each statement with its interval, the paper's direction, a verdict.

The paper is Keh et al. 2025 (arXiv:2503.07603).
"""

import numpy as np

from analysis.best_ratio import best_ratios
from analysis.claims import CONTRASTS, CONTROLS
from analysis.contrasts import contrast
from analysis.finding import Finding, Verdict, verdict_of
from analysis.loss_findings import loss_findings
from analysis.study import StudyResults, scores

__all__ = ["Finding", "Verdict", "findings", "verdict_of"]


def findings(study: StudyResults, rng: np.random.Generator) -> tuple[Finding, ...]:
    """Compute every finding that the paper or its reviewers ask for.

    Args:
        study: what was planned and measured.
        rng: resamples where no closed form gives an interval.
    """
    return (
        *(contrast(study, item) for item in CONTRASTS),
        *best_ratios(study, rng),
        *_sight(study),
        *loss_findings(study),
    )


def _sight(study: StudyResults) -> list[Finding]:
    """Compare scores with and without the right image, over all models and for each."""
    rows = study.table.rows(study.arms_of("controls"))
    measured = scores(rows, "vision", "average", "score").sort_values("params")
    models = [str(model) for model in measured["model"].unique()]
    return [contrast(study, asked, model) for asked in CONTROLS for model in (None, *models)]
