"""Measure the second output: the fourteen findings of NIH ChestX-ray14 and `No_Finding`, with intervals by patient."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from csss.inference.labels import NO_FINDING
from csss.statistics.measures import Indices, interval, resamples
from training.data.findings import FINDINGS, UNKNOWN
from training.measuring.metrics import auroc

SPECIFICITY: Final = 0.85
"""The threshold of a finding is where this share of the validation images without it lies below."""
LEAST: Final = 0.65
"""A finding whose interval of the AUROC reaches below is not shown."""
FEWEST: Final = 10
"""A finding with fewer positive images than this is not shown, whatever its interval is."""

Labels = NDArray[np.float32]
Scores = NDArray[np.float64]


def figures(
    known: Labels, said: Scores, groups: Sequence[str], thresholds: dict[str, float] | None = None
) -> dict[str, Any]:
    """For each finding: images with it, AUROC with interval, and (with thresholds) sensitivity and specificity.

    `known` and `said` are (images, 15 or more): labels, and probabilities. Images without labels do not count. `mean` is
    the mean AUROC of the fourteen, with its interval.
    """
    rows = known[:, 0] != UNKNOWN
    truth, score = known[rows, : len(FINDINGS)] == 1, said[rows, : len(FINDINGS)]
    drawn = resamples([group for group, row in zip(groups, rows, strict=True) if row])
    areas = np.array([_areas(truth[chosen], score[chosen]) for chosen in drawn])
    whole = _areas(truth, score)
    record: dict[str, Any] = {"images": int(rows.sum()), "findings": {}}
    for place, name in enumerate(FINDINGS):
        record["findings"][name] = {
            "positive": int(truth[:, place].sum()),
            "auroc": float(whole[place]),
            "interval": _interval(areas[:, place]),
            **(_at(truth[:, place], score[:, place], thresholds[name], drawn) if thresholds else {}),
        }
    fourteen = [place for place, name in enumerate(FINDINGS) if name != NO_FINDING]
    means = np.nanmean(areas[:, fourteen], axis=1)
    record["mean"] = {"auroc": float(np.nanmean(whole[fourteen])), "interval": _interval(means)}
    return record


def recognised(record: dict[str, Any]) -> list[str]:
    """The findings of a record of `figures` that are recognised well enough to be shown."""
    return [
        name
        for name, row in record["findings"].items()
        if row["positive"] >= FEWEST and row["interval"] and row["interval"][0] >= LEAST
    ]


def thresholds(known: Labels, said: Scores) -> dict[str, float]:
    """For each finding the probability that `SPECIFICITY` of the images without it do not reach."""
    rows = known[:, 0] != UNKNOWN
    found = {}
    for place, name in enumerate(FINDINGS):
        without = said[rows & (known[:, place] == 0), place]
        found[name] = float(np.quantile(without, SPECIFICITY)) if len(without) else 0.5
    return found


def _areas(truth: NDArray[np.bool_], score: Scores) -> Scores:
    return np.array([auroc(truth[:, place], score[:, place]) for place in range(truth.shape[1])])


def _interval(values: Scores) -> list[float] | None:
    """The 95 % interval of the draws in which the figure exists; None when it does in fewer than half of them."""
    kept = values[~np.isnan(values)]
    return list(interval(kept.tolist())) if 2 * len(kept) >= len(values) else None


def _at(
    truth: NDArray[np.bool_], score: Scores, threshold: float, drawn: Sequence[Indices]
) -> dict[str, Any]:
    """Sensitivity and specificity at a threshold, the first with its interval."""
    above = score >= threshold

    def share(among: NDArray[np.bool_], hit: NDArray[np.bool_]) -> float:
        return float(hit[among].mean()) if among.any() else float("nan")

    draws = np.array([share(truth[chosen], above[chosen]) for chosen in drawn])
    return {
        "threshold": threshold,
        "sensitivity": share(truth, above),
        "sensitivity_interval": _interval(draws),
        "specificity": share(~truth, ~above),
    }
