"""Fit, apply and undo temperature and class biases. Plain numpy.

Temperature scaling is by Guo et al. 2017 (https://arxiv.org/abs/1706.04599). With a bias per class it is the
bias-corrected temperature scaling of Alexandari et al. 2020 (https://arxiv.org/abs/1901.06852). The bias undoes the
effect of sampling on the class frequencies; export adds it to the bias of the last layer.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from csss.inference.engine import calibrate as scale
from training.measuring.metrics import log_loss


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
    """Temperature T and class biases b (sum zero) with the lowest log loss of softmax(log p / T + b).

    `weights` are the weights of the images, by default equal. ridge / 2 times the squared biases is added to the
    loss, so that a bias needs evidence. The log loss is convex in (1/T, b): Newton's method, with each step halved
    until the loss does not rise.
    """
    logs = np.log(np.maximum(probabilities.astype(np.float64), 1e-30))
    count, classes = logs.shape
    one_hot = np.eye(classes)[truth]
    share = np.ones(count) if weights is None else np.asarray(weights, np.float64)
    share = share / share.sum()
    place = np.concatenate([[1.0], np.zeros(classes)])

    def applied(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return scale(np.exp(logs * values[0] + values[1:]), 1.0)

    def loss(found: NDArray[np.float64], biases: NDArray[np.float64]) -> float:
        likelihood = share @ np.log(np.maximum(found[np.arange(count), truth], 1e-30))
        return float(ridge / 2 * biases @ biases - likelihood)

    penalty = np.concatenate([[0.0], np.full(classes, ridge)])

    for _ in range(100):
        found = applied(place)
        # The derivative of the scaled logits: with respect to 1/T the log probabilities, to each bias 1.
        design = np.concatenate(
            [logs[:, None, :], np.broadcast_to(np.eye(classes), (count, classes, classes))], axis=1
        )
        gradient = np.einsum("n,nkc,nc->k", share, design, found - one_hot) + penalty * place
        mean = np.einsum("nkc,nc->nk", design, found)
        weighed = design * share[:, None, None]
        curvature = (
            np.tensordot(weighed * found[:, None], design, axes=([0, 2], [0, 2])) - (mean.T * share) @ mean
        ) + np.diag(penalty)
        step = np.linalg.solve(curvature + 1e-9 * np.eye(classes + 1), gradient)
        now = loss(found, place[1:])
        while loss(applied(place - step), (place - step)[1:]) > now and np.abs(step).max() > 1e-12:
            step = step / 2
        place = place - step
        place[1:] -= place[1:].mean()  # a bias common to all classes has no effect
        if np.abs(step).max() < 1e-9:
            break
    return float(1 / place[0]), place[1:]


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

    `calibration` is the record of that name in metrics.json; its class biases are part of the released network.
    """
    if "bias" not in calibration:
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
