"""Fit, apply and undo temperature and class biases of a network in training. Plain numpy.

The bias undoes the effect of sampling on the class frequencies; export adds it to the bias of the last layer.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from csss.inference.scaling import calibrate as scale
from csss.inference.scaling import fit_temperature_and_bias
from training.measuring.metrics import log_loss

EVENED, RIDGE = 0.5, 0.01
"""How far the classes are weighted equally, and the penalty on a bias. Chosen on the validation images by
cross-validation: the biases for each fifth of the patients were fitted on the others. With 0.5 macro-F1 is highest; with
0.75 the log loss is 6 % higher, and with 0 the rare class is hardly predicted (F1 of Lung opacity 0.32, not 0.46)."""


def fit_temperature(truth: NDArray[np.int64], probabilities: NDArray[Any]) -> float:
    """The temperature between 0.05 and 20 with the lowest log loss.

    The log loss is convex in 1/T (a log-sum-exp minus a linear term), so ternary search finds its minimum.
    """
    low, high = 1 / 20, 1 / 0.05
    while high - low > 1e-7:
        left, right = low + (high - low) / 3, high - (high - low) / 3
        if log_loss(truth, scale(probabilities, 1 / left)) <= log_loss(
            truth, scale(probabilities, 1 / right)
        ):
            high = right
        else:
            low = left
    return 2 / (low + high)


def fit_with_bias(
    truth: NDArray[np.int64],
    probabilities: NDArray[Any],
    weights: NDArray[np.float64] | None = None,
    ridge: float = 0.0,
) -> tuple[float, NDArray[np.float64]]:
    """Temperature T and class biases b with the lowest log loss of softmax(log p / T + b), where each truth is known."""
    known = np.eye(probabilities.shape[1], dtype=bool)[truth]
    return fit_temperature_and_bias(known, probabilities, weights, ridge)


def with_bias(
    probabilities: NDArray[np.float64], temperature: float, bias: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The softmax outputs of a network whose last layer's bias was raised by temperature * bias."""
    logs = np.log(np.maximum(probabilities, 1e-30)) + temperature * bias
    raised = np.exp(logs - logs.max(axis=-1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=-1, keepdims=True), dtype=np.float64)


def as_trained(probabilities: NDArray[np.float64], calibration: dict[str, Any]) -> NDArray[np.float64]:
    """The network's probabilities before calibration, computed from those of the released network before its
    temperature.

    `calibration` is the record of that name in metrics.json; its class biases are part of the released network, unless
    they are applied at run time, from labels.json.
    """
    if "bias" not in calibration or calibration.get("bias_in") == "labels":
        return probabilities
    return with_bias(probabilities, calibration["temperature"], -np.array(calibration["bias"]))


def counted(groups: Sequence[str], classes: Sequence[str], evened: float) -> NDArray[np.float64]:
    """The weight of each image for fitting temperature and biases.

    The n images of a patient together weigh as much as the square root of n single ones, since they are similar;
    otherwise two patients of 30 slices each would decide the weight of a class. A class of n images has weight n **
    -evened, so that the rare class is still predicted, and not the frequent one that looks similar.
    """
    by_group, by_class = Counter(groups), Counter(classes)
    return np.array(
        [
            by_group[group] ** -0.5 * by_class[label] ** -evened
            for group, label in zip(groups, classes, strict=True)
        ]
    )
