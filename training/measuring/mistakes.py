"""Collect the worst mistakes on the held-out test set: what they are, where their heat maps are hot, and a sheet of
pictures.

The sheet shows patients' images, so it goes into the run's folder, which git ignores; the model folder and its card
get the same mistakes as text and numbers.
"""

import csv
from collections import Counter
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from csss.inference.heatmap import blend, heatmap_png
from csss.inference.labels import ModelInfo
from csss.inference.preprocessing import decode
from training.json_files import rounded
from training.measuring.evaluate import Side
from training.run import Run

COUNT = 9
CENTRE = 0.6
"""Side of the central part, as a fraction of the picture's side: it contains most of lungs and heart."""
FINE = 70
"""Side of the grid on which heat is summed."""


def worst(side: Side, count: int = COUNT) -> list[int]:
    """Indices of the most confident wrong predictions, sorted by confidence, one per patient."""
    predicted = side.read.after.argmax(axis=1)
    wrong = np.flatnonzero(predicted != side.truth)
    order = wrong[np.argsort(-side.read.after.max(axis=1)[wrong], kind="stable")]
    first: dict[str, int] = {}
    for place in order:
        first.setdefault(side.images[place].group, int(place))
    return list(first.values())[:count]


def central_share(heat: NDArray[np.float32]) -> float:
    """Fraction of a heat map's sum (height, width) in the central 60 % x 60 %; NaN for an empty map.

    A uniform map has the fraction of the area, 0.36.
    """
    fine = cv2.resize(heat.astype(np.float32), (FINE, FINE), interpolation=cv2.INTER_LINEAR)
    edge = round(FINE * (1 - CENTRE) / 2)
    total = float(fine.sum())
    return float(fine[edge:-edge, edge:-edge].sum()) / total if total else float("nan")


def hottest_place(heat: NDArray[np.float32]) -> str:
    """Where the hottest cell is, in terms of the picture, not of the body."""
    row, column = np.unravel_index(int(heat.argmax()), heat.shape)
    high = ("top", "middle", "bottom")[int(row) * 3 // heat.shape[0]]
    wide = ("left", "centre", "right")[int(column) * 3 // heat.shape[1]]
    return "centre" if (high, wide) == ("middle", "centre") else f"{high} {wide}"


def record(info: ModelInfo, side: Side, places: list[int]) -> dict[str, Any]:
    """The `mistakes` part of metrics.json: the worst ones, and how central the heat is when right and when wrong."""
    read = side.read
    predicted = read.after.argmax(axis=1)
    shares = np.array([central_share(heat) for heat in read.heat])
    right = predicted == side.truth
    accepted = read.accepted(info.threshold)
    by_patient = Counter(image.group for image, good in zip(side.images, right, strict=True) if not good)
    return dict(
        rounded(
            {
                "wrong": int((~right).sum()),
                "wrong_accepted": int((~right & accepted).sum()),
                "centre": CENTRE,
                "area": CENTRE**2,
                "heat_in_centre": {
                    "right": float(np.nanmean(shares[right])),
                    "wrong": float(np.nanmean(shares[~right])) if (~right).any() else None,
                },
                "worst": [
                    {
                        "true": side.images[place].label,
                        "predicted": info.names[predicted[place]],
                        "confidence": float(read.after[place].max()),
                        "accepted": bool(accepted[place]),
                        "kind": side.images[place].kind,
                        "source": side.images[place].source,
                        "native_width": side.images[place].native_width,
                        "heat_in_centre": float(shares[place]) if np.isfinite(shares[place]) else None,
                        "hottest": hottest_place(read.heat[place]),
                        "same_patient": by_patient[side.images[place].group] - 1,
                    }
                    for place in places
                ],
            }
        )
    )


def sheet(run: Run, data: Path, info: ModelInfo, side: Side, places: list[int]) -> Path:
    """Write `mistakes.png` (scan and heat map, side by side) and `mistakes.csv` (file names) into the run's folder."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    run.folder.mkdir(parents=True, exist_ok=True)
    across = 3
    down = max(1, -(-len(places) // across))
    figure, grid = plt.subplots(down, across, figsize=(5.4 * across, 3.2 * down), squeeze=False)
    for axes in grid.flat:
        axes.axis("off")
    rows = []
    for axes, place in zip(grid.flat, places, strict=False):
        image, probabilities = side.images[place], side.read.after[place]
        answer = info.names[int(probabilities.argmax())]
        shown = (data / image.path).read_bytes()
        scan = decode(shown)
        overlay = decode(blend(shown, heatmap_png(side.read.heat[place], scan.shape[1], scan.shape[0])))
        size = (overlay.shape[1], overlay.shape[0])  # blend reduces large scans
        beside = cv2.resize(scan, size, interpolation=cv2.INTER_AREA) if scan.shape != overlay.shape else scan
        axes.imshow(np.concatenate([beside, overlay], axis=1))
        axes.set_title(f"{image.label} read as {answer}, {probabilities.max():.0%}", fontsize=9)
        rows.append([image.path, image.label, answer, f"{probabilities.max():.4f}", image.source])
    file = run.folder / "mistakes.png"
    figure.savefig(file, dpi=90, bbox_inches="tight", metadata={"Software": None})
    plt.close(figure)
    with (run.folder / "mistakes.csv").open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["path", "true", "predicted", "confidence", "source"])
        writer.writerows(rows)
    return file
