"""What a version can do on the readings that were held back, before and after, with intervals by patient. Plain numpy."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from csss.inference.scaling import Floats
from csss.recalibration.fit import Bools, Fitted, Sample
from csss.statistics.measures import (
    DRAWS,
    ECE_BINS,
    Indices,
    calibration_error,
    errors_by_chance,
    interval,
    resamples,
)

NAMES: Final = ("right", "calibration_error", "log_loss", "accepted", "right_accepted")


def before_and_after(sample: Sample, fitted: Fitted, threshold_before: float) -> dict[str, Any]:
    """The figures of both on the same readings: each with its interval, and the difference of the log losses with its own.

    How many are accepted is counted over all readings, everything else over those that say something of the class. Where
    nothing is accepted, nothing of it is wrong.
    """
    sides = {
        "before": (sample.probabilities, threshold_before),
        "after": (fitted.applied(sample.probabilities), fitted.threshold),
    }
    drawn = resamples(sample.patients)
    found: dict[str, Any] = {"bins": ECE_BINS, "draws": DRAWS, "by": "patient"}
    losses = []
    for side, (probabilities, threshold) in sides.items():
        judged = _Judged(sample, probabilities, threshold)
        here, there = judged.figures(np.arange(len(probabilities))), [judged.figures(each) for each in drawn]
        found[side] = {
            "threshold": threshold,
            "calibration_error_by_chance": float(errors_by_chance(judged.confidence[sample.used]).mean()),
            **{
                name: {"value": here[name], "interval": interval([each[name] for each in there])}
                for name in NAMES
            },
        }
        losses.append([here["log_loss"], *(each["log_loss"] for each in there)])
    less = np.array(losses[1]) - np.array(losses[0])
    found["log_loss_difference"] = {"value": float(less[0]), "interval": interval(less[1:].tolist())}
    return found


def verdict(found: dict[str, Any]) -> str:
    """Whether the probabilities are better, by the log loss on the readings that were held back."""
    low, high = found["log_loss_difference"]["interval"]
    if high < 0:
        return "better"
    return "worse" if low > 0 else "not shown to be better"


class _Judged:
    """Everything that does not change from one draw to the next."""

    def __init__(self, sample: Sample, probabilities: Floats, threshold: float) -> None:
        self.used: Bools = sample.used
        self.right: Bools = sample.right(probabilities)
        self.accepted: Bools = sample.accepted(probabilities, threshold)
        self.confidence: Floats = np.asarray(probabilities.max(axis=1))
        truth = (probabilities * sample.possible).sum(axis=1)
        self.loss: Floats = -np.log(np.maximum(truth, 1e-30))

    def figures(self, chosen: Indices) -> dict[str, float]:
        said = chosen[self.used[chosen]]
        accepted = said[self.accepted[said]]
        return {
            "right": _mean(self.right[said]),
            "calibration_error": calibration_error(self.confidence[said], self.right[said])
            if len(said)
            else np.nan,
            "log_loss": _mean(self.loss[said]),
            "accepted": _mean(self.accepted[chosen]),
            "right_accepted": _mean(self.right[accepted]) if len(accepted) else 1.0,
        }


def _mean(values: NDArray[Any]) -> float:
    return float(values.mean()) if len(values) else float("nan")
