"""How well scores rank the right cases above the wrong ones, whatever the threshold. Pure.

Checked by hand in the tests; the definitions are those of scikit-learn's `roc_auc_score` and
`average_precision_score`, which vlm-evaluation reports.
"""

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import numpy.typing as npt


def auroc(scores: Sequence[float], is_right: Sequence[bool]) -> float | None:
    """Return the area under the ROC curve; None unless there are right and wrong cases.

    The probability that a right case has a higher score than a wrong one, ties counting half
    (Hanley & McNeil 1982, doi:10.1148/radiology.143.1.7063747), from mean ranks.
    """
    right = np.asarray(is_right, dtype=bool)
    positives = int(right.sum())
    negatives = len(right) - positives
    if not positives or not negatives:
        return None
    pairs = float(mean_ranks(scores)[right].sum()) - positives * (positives + 1) / 2
    return pairs / (positives * negatives)


def average_precision(scores: Sequence[float], is_right: Sequence[bool]) -> float | None:
    """Return the mean precision over recall, without interpolation; None if no case is right.

    The sum over thresholds of (recall - recall before) * precision, where equal scores share a
    threshold.
    """
    right = np.asarray(is_right, dtype=bool)
    positives = int(right.sum())
    if not positives:
        return None
    values = np.asarray(scores, dtype=np.float64)
    order = np.argsort(-values, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(values[order])), len(values) - 1)
    hits = np.cumsum(right[order])[ends]
    recall_gained = np.diff(hits, prepend=0) / positives
    return float((recall_gained * hits / (ends + 1)).sum())


def one_vs_one_auroc(scores: Sequence[Sequence[float]], labels: Sequence[int]) -> float | None:
    """Return the mean AUROC over pairs of classes; None unless two classes are there.

    For a pair, the mean of both classes' AUROCs among the cases of the two (Hand & Till 2001,
    doi:10.1023/A:1010920819831, equation 7). Pairs weigh alike; a class that is no case's label
    has none.

    Args:
        scores: of each case, a score for each class.
        labels: the class of each case, a position in its scores.
    """
    classes = np.asarray(labels)
    values = np.asarray(scores, dtype=np.float64)
    found: list[float] = []
    for a, b in combinations(sorted(set(labels)), 2):
        inside = (classes == a) | (classes == b)
        for one in (a, b):
            area = auroc(values[inside, one].tolist(), (classes[inside] == one).tolist())
            assert area is not None, "both classes have cases"
            found.append(area)
    return float(np.mean(found)) if found else None


def one_vs_rest_precision(scores: Sequence[Sequence[float]], labels: Sequence[int]) -> float | None:
    """Return the mean, over the classes that are labels, of each one's average precision.

    None unless two classes are there.
    """
    classes = sorted(set(labels))
    if len(classes) < 2:
        return None
    found = [
        average_precision([row[one] for row in scores], [label == one for label in labels])
        for one in classes
    ]
    return float(np.mean([value for value in found if value is not None]))


def mean_ranks(scores: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Return the place of each score in ascending order, from 1; equals share their mean."""
    _, inverse, counts = np.unique(
        np.asarray(scores, dtype=np.float64), return_inverse=True, return_counts=True
    )
    last = np.cumsum(counts)
    return (last - (counts - 1) / 2)[inverse]
