"""Compute 95 % intervals by bootstrap (Efron 1979) over whole patients, since one patient's images are not
independent."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from csss.statistics.measures import DRAWS, ECE_BINS, Indices, interval, resamples
from training.measuring.metrics import (
    auroc,
    calibration_error,
    confusion,
    log_loss,
    macro,
    per_class,
    reliability,
    selective,
)


def intervals(
    names: Sequence[str],
    truth: NDArray[np.int64],
    probabilities: NDArray[np.float64],
    accepted: NDArray[np.bool_],
    groups: Sequence[str],
) -> dict[str, Any]:
    """Intervals of accuracy, macro and per-class metrics, calibration error, and the effect of the threshold."""
    predicted = probabilities.argmax(axis=1)
    kept: dict[str, list[float]] = {}

    def keep(key: str, value: float) -> None:
        kept.setdefault(key, []).append(value)

    for chosen in resamples(groups):
        rows = per_class(confusion(truth[chosen], predicted[chosen], len(names)))
        keep("accuracy", float((truth[chosen] == predicted[chosen]).mean()))
        for key, value in macro(rows).items():
            keep(f"macro.{key}", value)
        for name, row in zip(names, rows, strict=True):
            for key in ("precision", "sensitivity", "specificity", "f1"):
                keep(f"{name}.{key}", row[key])
        areas = [auroc(truth[chosen] == index, probabilities[chosen, index]) for index in range(len(names))]
        for name, area in zip(names, areas, strict=True):
            keep(f"{name}.auroc", area)
        keep("macro.auroc", float(np.nanmean(areas)))
        keep("ece_after", calibration_error(truth[chosen], probabilities[chosen]))
        for key, value in selective(truth[chosen], probabilities[chosen], accepted[chosen]).items():
            keep(key, value)
    return {"draws": DRAWS, "by": "patient"} | {key: interval(values) for key, values in kept.items()}


def calibration_figures(
    truth: NDArray[np.int64],
    before: NDArray[np.float64],
    after: NDArray[np.float64],
    groups: Sequence[str],
) -> dict[str, Any]:
    """Calibration before and after: error with its interval, log loss, and the bins of the reliability diagram.

    Resampling itself increases a calibration error, so an interval may lie above its own value.
    """
    record: dict[str, Any] = {"bins": ECE_BINS}
    drawn = resamples(groups)
    for key, probabilities in (("before", before), ("after", after)):
        record[f"ece_{key}"] = calibration_error(truth, probabilities)
        record[f"ece_{key}_interval"] = interval(
            [calibration_error(truth[chosen], probabilities[chosen]) for chosen in drawn]
        )
        record[f"log_loss_{key}"] = log_loss(truth, probabilities)
        record[f"reliability_{key}"] = reliability(truth, probabilities)
    return record


def paired(
    figure: Callable[[Indices], tuple[float, float]], groups: Sequence[str], count: int
) -> dict[str, Any]:
    """A metric of two models on the same images, their difference, and its interval over the same draws."""
    ours, other = figure(np.arange(count))
    found = [figure(chosen) for chosen in resamples(groups)]
    return {
        "ours": ours,
        "other": other,
        "difference": ours - other,
        "interval": interval([first - second for first, second in found]),
    }
