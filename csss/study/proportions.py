"""95 % intervals of shares: sensitivity, specificity, predictive values, and a change within the same scans.

Pure functions; counts may be numbers or arrays, and the answers are of the same shape.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from csss.statistics.measures import Floats, Limits, Z


def _expit(x: Floats) -> Floats:
    result: Floats = 1 / (1 + np.exp(-x))
    return result


class PredictiveValues(NamedTuple):
    """Positive and negative predictive value, each with its interval."""

    positive: Floats
    positive_limits: Limits
    negative: Floats
    negative_limits: Limits


def predictive_values(
    found: ArrayLike, positives: ArrayLike, cleared: ArrayLike, negatives: ArrayLike, prevalence: ArrayLike
) -> PredictiveValues:
    """PPV and NPV at a prevalence that is known from elsewhere, by Bayes' rule.

    `found` of the `positives` were called positive, `cleared` of the `negatives` negative. The intervals are those of the
    logits by the delta method (Mercaldo, Lau and Zhou, Stat. Med. 26:2170, 2007); half a scan is added to each of the
    four counts, so that a count of nought has an interval as well.
    """
    x1, n1 = np.asarray(found, np.float64), np.asarray(positives, np.float64)
    x0, n0 = np.asarray(cleared, np.float64), np.asarray(negatives, np.float64)
    p = np.asarray(prevalence, np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        plain = x1 / n1 * p, (1 - x0 / n0) * (1 - p), x0 / n0 * (1 - p), (1 - x1 / n1) * p
        se, sp = (x1 + 0.5) / (n1 + 1), (x0 + 0.5) / (n0 + 1)
        ppv, npv = plain[0] / (plain[0] + plain[1]), plain[2] / (plain[2] + plain[3])
        ppv_logit = np.log(se * p / ((1 - sp) * (1 - p)))
        npv_logit = np.log(sp * (1 - p) / ((1 - se) * p))
        ppv_half = Z * np.sqrt((1 - se) / (se * n1) + sp / ((1 - sp) * n0))
        npv_half = Z * np.sqrt(se / ((1 - se) * n1) + (1 - sp) / (sp * n0))
    return PredictiveValues(
        ppv,
        Limits(_expit(ppv_logit - ppv_half), _expit(ppv_logit + ppv_half)),
        npv,
        Limits(_expit(npv_logit - npv_half), _expit(npv_logit + npv_half)),
    )


def paired_difference(gained: ArrayLike, lost: ArrayLike, total: ArrayLike) -> Limits:
    """The interval of (gained − lost) / total: how much a share changes within the same scans.

    `gained` scans became right, `lost` became wrong, the rest stayed. The adjusted Wald interval of Bonett and Price
    (Br. J. Math. Stat. Psychol. 65:430, 2012).
    """
    up, down, n = (np.asarray(each, np.float64) for each in (gained, lost, total))
    first, second = (up + 1) / (n + 2), (down + 1) / (n + 2)
    middle = first - second
    half = Z * np.sqrt((first + second - middle * middle) / (n + 2))
    return Limits(np.maximum(middle - half, -1.0), np.minimum(middle + half, 1.0))
