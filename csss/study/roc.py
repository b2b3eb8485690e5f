"""The ROC curve, the area under it, and its interval after DeLong."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from csss.statistics.measures import Z

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Area:
    """The area under the ROC curve; `low` and `high` are None where the scores part the two groups without error."""

    value: float
    low: float | None
    high: float | None


def _ranks(values: Floats) -> Floats:
    """Ranks from 1; equal values share the mean of theirs."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    mean: Floats = np.cumsum(counts) - (counts - 1) / 2
    return mean[inverse]


def placements(scores_of_positives: Floats, scores_of_negatives: Floats) -> tuple[Floats, Floats]:
    """For each positive the share of negatives below it, and for each negative the share of positives above it; ties count
    half. From ranks, without comparing each with each (Sun and Xu, IEEE Signal Process. Lett. 21:1389, 2014)."""
    m, n = len(scores_of_positives), len(scores_of_negatives)
    both = _ranks(np.concatenate([scores_of_positives, scores_of_negatives]))
    above = (both[:m] - _ranks(scores_of_positives)) / n
    below = 1 - (both[m:] - _ranks(scores_of_negatives)) / m
    return above, below


def area(positive: NDArray[np.bool_], score: Floats) -> Area | None:
    """The area with its 95 % interval; None when there are fewer than two of either group.

    The variance is that of DeLong, DeLong and Clarke-Pearson (Biometrics 44:837, 1988). The interval is made on the scale
    of the logit, which keeps it within 0 and 1 and covers better near 1 (Pepe, The Statistical Evaluation of Medical
    Tests, 2003, section 5.2).
    """
    m, n = int(positive.sum()), int((~positive).sum())
    if m < 2 or n < 2:
        return None
    above, below = placements(score[positive], score[~positive])
    value = float(above.mean())
    variance = float(above.var(ddof=1) / m + below.var(ddof=1) / n)
    if not 0 < value < 1 or variance == 0:
        return Area(value, None, None)
    middle, half = np.log(value / (1 - value)), Z * variance**0.5 / (value * (1 - value))
    low, high = (float(1 / (1 + np.exp(-each))) for each in (middle - half, middle + half))
    return Area(value, low, high)


def curve(positive: NDArray[np.bool_], score: Floats) -> list[tuple[float, float]]:
    """The corners of the ROC curve: (1 − specificity, sensitivity) as the score that is asked for falls."""
    order = np.argsort(-score, kind="stable")
    sorted_scores, hits = score[order], positive[order]
    last = np.flatnonzero(np.append(np.diff(sorted_scores) != 0, True))
    right, wrong = np.cumsum(hits)[last], np.cumsum(~hits)[last]
    m, n = max(int(hits.sum()), 1), max(int((~hits).sum()), 1)
    return [(0.0, 0.0), *((float(x / n), float(y / m)) for x, y in zip(wrong, right, strict=True))]
