"""Compute metrics from labels and probabilities. Plain numpy; every function is deterministic."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from csss.statistics import measures


def confusion(truth: NDArray[np.int64], predicted: NDArray[np.int64], classes: int) -> NDArray[np.int64]:
    """Counts (classes, classes): row is the true class, column the predicted one."""
    counts = np.zeros((classes, classes), np.int64)
    np.add.at(counts, (truth, predicted), 1)
    return counts


def _share(part: float, whole: float) -> float:
    return float(part / whole) if whole else 0.0


def per_class(counts: NDArray[np.int64]) -> list[dict[str, float]]:
    """Precision, sensitivity, specificity, F1 and support of each class, one versus the rest."""
    rows = []
    for index in range(len(counts)):
        hit = int(counts[index, index])
        miss, false = int(counts[index].sum()) - hit, int(counts[:, index].sum()) - hit
        rest = int(counts.sum()) - hit - miss - false
        precision, sensitivity = _share(hit, hit + false), _share(hit, hit + miss)
        rows.append(
            {
                "precision": precision,
                "sensitivity": sensitivity,
                "specificity": _share(rest, rest + false),
                "f1": _share(2 * precision * sensitivity, precision + sensitivity),
                "support": hit + miss,
            }
        )
    return rows


def macro(rows: Sequence[dict[str, float]]) -> dict[str, float]:
    """Unweighted means over the classes."""
    return {
        key: float(np.mean([row[key] for row in rows]))
        for key in ("precision", "sensitivity", "specificity", "f1")
    }


def macro_f1(truth: NDArray[np.int64], probabilities: NDArray[Any]) -> float:
    """Unweighted mean F1 of the arg max."""
    classes = probabilities.shape[1]
    return macro(per_class(confusion(truth, probabilities.argmax(axis=1), classes)))["f1"]


def log_loss(truth: NDArray[np.int64], probabilities: NDArray[Any]) -> float:
    """Mean negative log-likelihood of the true class, in nats."""
    chosen = probabilities[np.arange(len(truth)), truth].astype(np.float64)
    return float(-np.log(np.maximum(chosen, 1e-30)).mean())


def reliability(truth: NDArray[np.int64], probabilities: NDArray[Any]) -> list[dict[str, float]]:
    """The bins of the reliability diagram of the arg max."""
    return measures.reliability(probabilities.max(axis=1), probabilities.argmax(axis=1) == truth)


def calibration_error(truth: NDArray[np.int64], probabilities: NDArray[Any]) -> float:
    """Expected calibration error of the arg max."""
    return measures.calibration_error(probabilities.max(axis=1), probabilities.argmax(axis=1) == truth)


def selective(
    truth: NDArray[np.int64], probabilities: NDArray[Any], accepted: NDArray[np.bool_]
) -> dict[str, float]:
    """The effect of refusing: fraction of scans accepted, error among them, and error of all."""
    wrong = probabilities.argmax(axis=1) != truth
    return {
        "acceptance_rate": float(accepted.mean()),
        "error_accepted": float(wrong[accepted].mean()) if accepted.any() else 0.0,
        "error_all": float(wrong.mean()),
    }


def risk_coverage(
    truth: NDArray[np.int64], probabilities: NDArray[Any], points: int = 50
) -> list[list[float]]:
    """(fraction of scans accepted, error among them) as the required confidence falls; equal steps of the fraction."""
    order = np.argsort(-probabilities.max(axis=1), kind="stable")
    wrong = (probabilities.argmax(axis=1) != truth)[order]
    counts = np.unique(np.ceil(np.linspace(0, 1, points + 1)[1:] * len(truth)).astype(int))
    return [[float(count / len(truth)), float(wrong[:count].mean())] for count in counts]


def auroc(positive: NDArray[np.bool_], score: NDArray[Any]) -> float:
    """Area under the ROC curve: how often a positive has the higher score (ties count half); NaN without positives
    or negatives.

    The Mann-Whitney statistic (Hanley and McNeil 1982) from mean ranks.
    """
    _, inverse, counts = np.unique(score, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    hits = int(positive.sum())
    misses = len(positive) - hits
    if not hits or not misses:
        return float("nan")
    return float((ranks[positive].sum() - hits * (hits + 1) / 2) / (hits * misses))
