"""Calibration error, and intervals of shares and by the bootstrap of whole patients. Plain numpy; the same seed gives the
same figures."""

from collections.abc import Sequence
from statistics import NormalDist
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

ECE_BINS = 15
DRAWS = 1000
SEED = 42
Z = NormalDist().inv_cdf(0.975)  # the normal quantile of a two-sided 95 % interval

Indices = NDArray[np.int64]
Floats = NDArray[np.float64]


class Limits(NamedTuple):
    """The two ends of a 95 % interval."""

    low: Floats
    high: Floats


def wilson(hits: ArrayLike, total: ArrayLike) -> Limits:
    """The score interval of a share (Wilson, J. Am. Stat. Assoc. 22:209, 1927). NaN where there is nothing to share.

    Preferred to the exact interval of Clopper and Pearson, whose coverage is far above 95 % in small groups (Brown, Cai
    and DasGupta, Stat. Sci. 16:101, 2001). Counts may be numbers or arrays, and the answers are of the same shape.
    """
    x, n = np.asarray(hits, np.float64), np.asarray(total, np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = x / n
        middle = (share + Z * Z / (2 * n)) / (1 + Z * Z / n)
        half = Z / (1 + Z * Z / n) * np.sqrt(share * (1 - share) / n + Z * Z / (4 * n * n))
    return Limits(np.maximum(middle - half, 0.0), np.minimum(middle + half, 1.0))


def reliability(confidence: NDArray[Any], correct: NDArray[np.bool_]) -> list[dict[str, float]]:
    """Mean confidence, accuracy and count in 15 bins of equal mass, from the least to the most confident."""
    order = np.argsort(confidence, kind="stable")
    return [
        {
            "confidence": float(confidence[part].mean()),
            "accuracy": float(correct[part].mean()),
            "count": len(part),
        }
        for part in np.array_split(order, ECE_BINS)
        if len(part)
    ]


def calibration_error(confidence: NDArray[Any], correct: NDArray[np.bool_]) -> float:
    """Expected calibration error over the bins of `reliability`: the mean distance of confidence and share of right
    answers, each bin weighed by its scans (Guo et al., ICML 2017; bins of equal mass: Nixon et al., CVPR workshops 2019)."""
    return float(_errors(confidence, correct[None])[0])


def _errors(confidence: NDArray[Any], correct: NDArray[np.bool_]) -> Floats:
    """One calibration error for each row of `correct`, all with the same confidences."""
    order = np.argsort(confidence, kind="stable")
    gaps = confidence[order] - correct[:, order]
    sums = [np.abs(part.sum(axis=1)) for part in np.array_split(gaps, ECE_BINS, axis=1)]
    return np.asarray(np.sum(sums, axis=0) / len(confidence), np.float64)


def errors_by_chance(confidence: NDArray[Any]) -> Floats:
    """The calibration errors of `DRAWS` samples of a classifier whose confidences are exactly right (consistency resampling:
    Bröcker and Smith, Weather Forecast. 22:651, 2007)."""
    drawn = np.random.default_rng(SEED).random((DRAWS, len(confidence)))
    return _errors(confidence, drawn < confidence)


def resamples(groups: Sequence[str], draws: int = DRAWS, seed: int = SEED) -> list[Indices]:
    """For each draw the images of as many groups (patients) as there are, drawn with replacement (Efron 1979)."""
    random = np.random.default_rng(seed)
    _, number = np.unique(np.array(groups), return_inverse=True)
    members = [np.flatnonzero(number == group) for group in range(int(number.max()) + 1)]
    return [
        np.concatenate([members[chosen] for chosen in random.integers(0, len(members), len(members))])
        for _ in range(draws)
    ]


def interval(values: Sequence[float]) -> list[float]:
    """The 2.5th and 97.5th percentile; draws for which there is no figure (a class was not drawn) do not count."""
    low, high = np.nanpercentile(np.array(values), [2.5, 97.5])
    return [float(low), float(high)]
