"""Calibration error, and intervals by the bootstrap of whole patients. Plain numpy; the same seed, the same figures."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

ECE_BINS = 15
DRAWS = 1000
SEED = 42

Indices = NDArray[np.int64]


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
    """Expected calibration error over the bins of `reliability`."""
    bins = reliability(confidence, correct)
    total = sum(row["count"] for row in bins)
    return float(sum(row["count"] * abs(row["confidence"] - row["accuracy"]) for row in bins) / total)


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
