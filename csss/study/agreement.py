"""How far readers agree beyond chance: Cohen's kappa of two, Fleiss' kappa of two or more, with intervals.

Both intervals linearise kappa: each scan's influence on it is worked out, and the variance is that of the influences.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from csss.statistics.measures import Z

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Kappa:
    """`observed` is the share of agreeing pairs; `value` is None where everybody always says the same."""

    observed: float
    value: float | None
    low: float | None
    high: float | None
    scans: int


def _kappa(observed: Floats, expected_of: Floats) -> Kappa | None:
    """`observed`: for each scan the share of agreeing pairs. `expected_of`: for each scan the first-order influence on
    the agreement by chance, with the agreement by chance itself as its mean."""
    n = len(observed)
    if n < 2:
        return None
    po, pe = float(observed.mean()), float(expected_of.mean())
    if pe >= 1:
        return Kappa(po, None, None, None, n)
    value = (po - pe) / (1 - pe)
    influence = ((observed - po) - (1 - value) * 2 * (expected_of - pe)) / (1 - pe)
    half = Z * float(influence.std(ddof=1)) / n**0.5
    return Kappa(po, value, max(value - half, -1.0), min(value + half, 1.0), n)


def cohen(first: NDArray[np.int64], second: NDArray[np.int64], classes: int) -> Kappa | None:
    """Cohen's kappa (Educ. Psychol. Meas. 20:37, 1960) with the large-sample variance of Fleiss, Cohen and Everitt
    (Psychol. Bull. 72:323, 1969). None with fewer than two scans."""
    if len(first) < 2:
        return None
    p1 = np.bincount(first, minlength=classes) / len(first)
    p2 = np.bincount(second, minlength=classes) / len(second)
    # The chance agreement Σ p1 p2 has the influence p2[x] + p1[y] − 2 Σ p1 p2, half of which is taken twice above.
    return _kappa((first == second).astype(np.float64), (p2[first] + p1[second]) / 2)


def fleiss(counts: NDArray[np.int64]) -> Kappa | None:
    """Fleiss' kappa (Psychol. Bull. 76:378, 1971) of `counts` (scans, classes): how many readers chose each class.

    Every scan needs at least two readings, not necessarily as many as the others. The variance is that of Gwet (Educ.
    Psychol. Meas. 81:781, 2021), which holds whatever the true agreement is. None with fewer than two scans.
    """
    if len(counts) < 2:
        return None
    readers = counts.sum(axis=1)
    observed = (counts * (counts - 1)).sum(axis=1) / (readers * (readers - 1))
    shares = counts / readers[:, None]
    # Σ p² has the influence 2 (Σ p p_i − Σ p²).
    return _kappa(observed, shares @ shares.mean(axis=0))
