"""Temperature and class biases of probabilities: how they are applied and fitted. Plain numpy.

Temperature scaling is of Guo et al. 2017 (https://arxiv.org/abs/1706.04599); with a bias for each class it is the
bias-corrected temperature scaling of Alexandari et al. 2020 (https://arxiv.org/abs/1901.06852).
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
_LEAST = 1e-30  # of a probability, so that it has a logarithm


def logs_of(probabilities: Floats) -> Floats:
    """The logarithms of softmax outputs: their logits, up to a constant."""
    return np.asarray(np.log(np.maximum(probabilities, _LEAST)), dtype=np.float64)


def calibrate(probabilities: Floats, temperature: float, bias: Sequence[float] | Floats = ()) -> Floats:
    """softmax(log p / temperature + bias) of softmax outputs, over the last axis."""
    scaled = logs_of(probabilities) / temperature
    if len(bias):
        scaled = scaled + np.asarray(bias)
    return _softmax(scaled)


def _softmax(logits: Floats) -> Floats:
    raised = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=-1, keepdims=True), dtype=np.float64)


def fit_temperature_and_bias(
    possible: NDArray[np.bool_],
    probabilities: Floats,
    weights: Floats | None = None,
    ridge: float = 0.0,
) -> tuple[float, Floats]:
    """Temperature T and class biases b (sum nought) of greatest likelihood for softmax(log p / T + b).

    `possible` (images, classes) says which classes the truth may be: one, where it is known; all but one, where only this is
    known not to be it. `weights` is how much each image counts, all the same when not given; ridge / 2 times the squared
    biases is added to the mean loss, so that a bias needs a reason.

    Newton's method, each step halved until the loss does not rise. Where each truth is known the loss is convex in
    (1/T, b). Elsewhere its curvature is bounded by that of the convex part, which is used for the step.
    """
    logs = logs_of(probabilities.astype(np.float64))
    count, classes = logs.shape
    share = np.ones(count) if weights is None else np.asarray(weights, np.float64)
    share = share / share.sum()
    place = np.concatenate([[1.0], np.zeros(classes)])
    penalty = np.concatenate([[0.0], np.full(classes, ridge)])

    def applied(values: Floats) -> Floats:
        return _softmax(logs * values[0] + values[1:])

    def loss(found: Floats, biases: Floats) -> float:
        likelihood = share @ np.log(np.maximum((found * possible).sum(axis=1), _LEAST))
        return float(ridge / 2 * biases @ biases - likelihood)

    for _ in range(100):
        found = applied(place)
        among = found * possible
        wanted = among / np.maximum(among.sum(axis=1, keepdims=True), _LEAST)
        # The derivative of the scaled logits: by 1/T the log probabilities, by each bias 1.
        design = np.concatenate(
            [logs[:, None, :], np.broadcast_to(np.eye(classes), (count, classes, classes))], axis=1
        )
        gradient = np.einsum("n,nkc,nc->k", share, design, found - wanted) + penalty * place
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
        place[1:] -= place[1:].mean()  # a bias common to all classes changes nothing
        if np.abs(step).max() < 1e-9:
            break
    return float(1 / place[0]), place[1:]
