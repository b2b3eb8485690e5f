"""Calibrate the second output on the validation images, and choose what is shown.

Each finding gets a slope and an offset on its score (Platt 1999, "Probabilistic outputs for support vector machines"),
fitted to the validation images of NIH; export makes them part of the output's weights. The probabilities are then those
of the data folder, where findings are more frequent than in a hospital.
"""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from training.data.findings import FINDINGS, UNKNOWN
from training.measuring.findings import figures, recognised, thresholds

RIDGE: Final = 1e-3


def fit(known: NDArray[np.float32], said: NDArray[np.float32], groups: list[str]) -> dict[str, Any]:
    """The record `findings` of `calibrate.json`, from labels and raw probabilities (images, 15 or more)."""
    scores = logits(said[:, : len(FINDINGS)])
    rows = known[:, 0] != UNKNOWN
    if not rows.any():  # nobody has named findings, so none are shown
        nothing = {
            "slopes": [1.0] * len(FINDINGS),
            "offsets": [0.0] * len(FINDINGS),
            "shown": [],
            "val": None,
        }
        return nothing | {"thresholds": dict.fromkeys(FINDINGS, 1.0)}
    pairs = [_platt(scores[rows, place], known[rows, place] == 1) for place in range(len(FINDINGS))]
    slopes, offsets = (np.array(column) for column in zip(*pairs, strict=True))
    after = 1 / (1 + np.exp(-(scores * slopes + offsets)))
    limits = thresholds(known, after)
    measured = figures(known, after, groups, limits)
    return {
        "slopes": slopes.tolist(),
        "offsets": offsets.tolist(),
        "thresholds": limits,
        "shown": recognised(measured),
        "val": measured,
    }


def logits(probabilities: NDArray[Any]) -> NDArray[np.float64]:
    """Probabilities of any shape to log odds."""
    kept = np.clip(probabilities.astype(np.float64), 1e-7, 1 - 1e-7)
    return np.asarray(np.log(kept) - np.log1p(-kept), dtype=np.float64)


def _platt(score: NDArray[np.float64], truth: NDArray[np.bool_]) -> tuple[float, float]:
    """Slope and offset with the lowest log loss, by Newton's method. The slope stays positive, as a negative one would
    turn the order round."""
    x = np.column_stack([score, np.ones(len(score))])
    start = np.array([1.0, 0.0])
    found = start.copy()
    for _ in range(100):
        chance = 1 / (1 + np.exp(-np.clip(x @ found, -30, 30)))
        gradient = x.T @ (chance - truth) / len(score) + RIDGE * (found - start)
        curvature = (x * (chance * (1 - chance))[:, None]).T @ x / len(score) + RIDGE * np.eye(2)
        step = np.linalg.solve(curvature, gradient)
        found = found - step
        if np.abs(step).max() < 1e-9:
            break
    return max(float(found[0]), 0.05), float(found[1])
