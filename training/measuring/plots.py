"""Draw the plots of a model folder: confusion matrix, learning curves, reliability."""

from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np

BLUE, ORANGE, GREY = "#1f5f99", "#c2571a", "#8a8a8a"


def _save(figure: Any, file: Path) -> None:
    figure.savefig(file, dpi=110, bbox_inches="tight", metadata={"Software": None})
    plt.close(figure)


def confusion_plot(figures: dict[str, Any], file: Path) -> None:
    """Counts in each cell, colour by the fraction of the true class."""
    names = [name.replace("_", " ") for name in figures["per_class"]]
    counts = np.array(figures["confusion"])
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    figure, axes = plt.subplots(figsize=(6.4, 5.4))
    image = axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    for (row, column), count in np.ndenumerate(counts):
        axes.text(
            column,
            row,
            str(count),
            ha="center",
            va="center",
            color="white" if share[row, column] > 0.55 else "black",
        )
    axes.set_xticks(range(len(names)), names, rotation=35, ha="right")
    axes.set_yticks(range(len(names)), names)
    axes.set_xlabel("predicted class")
    axes.set_ylabel("true class")
    axes.set_title(f"Held-back images: {figures['images']}, accuracy {figures['accuracy']:.1%}")
    figure.colorbar(image, ax=axes, label="share of the true class", fraction=0.046)
    _save(figure, file)


def learning_plot(history: list[dict[str, float]], best: int, file: Path) -> None:
    """Loss and accuracy of training and validation by epoch, with the selected epoch."""
    epochs = range(1, len(history) + 1)
    figure, both = plt.subplots(1, 2, figsize=(9, 3.6))
    for axes, key in zip(both, ("loss", "accuracy"), strict=True):
        known = [row.get(key, float("nan")) for row in history]
        axes.plot(epochs, known, color=BLUE, marker="o", label="training (augmented)")
        axes.plot(
            epochs, [row[f"val_{key}"] for row in history], color=ORANGE, marker="s", label="validation"
        )
        axes.axvline(best, color=GREY, linestyle="--", label=f"kept: epoch {best}")
        axes.set_xlabel("epoch")
        axes.set_title(key)
        axes.grid(alpha=0.3)
    both[0].legend()
    _save(figure, file)


def reliability_plot(figures: dict[str, Any], file: Path) -> None:
    """Accuracy against confidence in bins of equal mass, before and after scaling; the dashed line is perfect."""
    calibration, chosen = figures["calibration"], figures["selective"]
    figure, both = plt.subplots(1, 2, figsize=(8.6, 4.3), sharey=True)
    for axes, key in zip(both, ("before", "after"), strict=True):
        bins = calibration[f"reliability_{key}"]
        axes.plot([0, 1], [0, 1], color=GREY, linestyle="--", label="perfect")
        axes.plot(
            [row["confidence"] for row in bins],
            [row["accuracy"] for row in bins],
            color=BLUE,
            marker="o",
            label="model",
        )
        axes.set(xlim=(0.2, 1.02), ylim=(0, 1.02), xlabel="mean confidence")
        axes.set_title(f"{key} scaling: error {calibration[f'ece_{key}']:.1%}")
        axes.grid(alpha=0.3)
    both[1].axvline(
        chosen["threshold"], color=ORANGE, linestyle=":", label=f"threshold {chosen['threshold']:.2f}"
    )
    both[0].set_ylabel("accuracy")
    both[1].legend(loc="upper left")
    _save(figure, file)


def coverage_plot(figures: dict[str, Any], file: Path) -> None:
    """Error among accepted scans against the fraction accepted, the most confident first; the threshold is marked."""
    points, chosen = figures["risk_coverage"], figures["selective"]
    figure, axes = plt.subplots(figsize=(4.8, 4.2))
    axes.plot([share for share, _ in points], [error for _, error in points], color=BLUE)
    axes.plot(
        chosen["acceptance_rate"],
        chosen["error_accepted"],
        marker="o",
        linestyle="none",
        color=ORANGE,
        label=f"threshold {chosen['threshold']:.2f}: {chosen['acceptance_rate']:.0%} accepted, "
        f"{chosen['error_accepted']:.1%} wrong",
    )
    axes.set(xlim=(0, 1), xlabel="share of the scans accepted", ylabel="error among the accepted")
    axes.set_ylim(bottom=0)
    axes.set_title("Risk and coverage")
    axes.grid(alpha=0.3)
    axes.legend(loc="upper left")
    _save(figure, file)


def draw_all(metrics: dict[str, Any], folder: Path) -> None:
    """Write the plots of a model folder."""
    training = metrics["training"]
    confusion_plot(metrics["test"], folder / "confusion.png")
    learning_plot(training["history"], training["best_epoch"], folder / "learning.png")
    reliability_plot(metrics["test"], folder / "reliability.png")
    coverage_plot(metrics["test"], folder / "coverage.png")
