"""Give the images that no radiologist has read a share of the class that such images often turn out to be.

NIH_MERGED is what nobody has read as an opacity. Most of its images were never read at all: their labels were taken from
reports by a program, and many of them show an opacity. Among the images that were read, a logistic regression on NIH's own
labels and the view tells how often a reader says opacity; that share of an unread image's label goes to Lung_Opacity.

The images that were read are not a sample: all opacities were kept. So each reading is weighed until the three readings
are as frequent as among the 26,684 patients of the RSNA Pneumonia Challenge (Shih et al. 2019, "Augmenting the National
Institutes of Health Chest Radiograph Dataset with Expert Annotations of Possible Pneumonia",
https://doi.org/10.1148/ryai.2019180041: 8,851 normal, 6,012 opacity, 11,821 other).
"""

from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from training.data.dataset import LABELS, Image
from training.data.findings import NIH_FINDINGS, key, reading, said_of

RSNA: Final = {"normal": 8851 / 26684, "opacity": 6012 / 26684, "other": 11821 / 26684}
RIDGE: Final = 1e-2


def shared(images: list[Image], classes: NDArray[np.float32], data: Path) -> NDArray[np.float32]:
    """The classes (images, 6), in which the share of a likely opacity has moved from NIH_MERGED to Lung_Opacity."""
    said = said_of(data)
    rows = [said.get(key(image)) if image.group.startswith("nih-") else None for image in images]
    known = [(row, reading(row)) for row in rows if row is not None and reading(row)]
    if {what for _, what in known} != set(RSNA):
        return classes  # too few were read, so nothing can be said of the others
    share = {name: sum(what == name for _, what in known) / len(known) for name in RSNA}
    weights = np.array([RSNA[what] / share[what] for _, what in known])
    fitted = _fit(
        np.stack([_profile(row) for row, _ in known]), [what == "opacity" for _, what in known], weights
    )
    moved = classes.copy()
    source, target = LABELS.index("NIH_MERGED"), LABELS.index("Lung_Opacity")
    for place, (image, row) in enumerate(zip(images, rows, strict=True)):
        if row is not None and image.label == "NIH_MERGED" and not reading(row):
            part = float(1 / (1 + np.exp(-_profile(row) @ fitted)))
            moved[place, target], moved[place, source] = part, 1 - part
    return moved


def _profile(row: dict[str, str]) -> NDArray[np.float64]:
    """A constant, the fourteen labels, and whether the picture is AP."""
    named = row["nih_finding_labels"].split("|")
    return np.array(
        [1.0, *(name in named for name in NIH_FINDINGS), row["view_position"] == "AP"], np.float64
    )


def _fit(x: NDArray[np.float64], truth: list[bool], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weighted logistic regression with a small ridge, by Newton's method: (n, columns) to coefficients (columns)."""
    y, weights = np.array(truth, np.float64), weights / weights.sum()
    found = np.zeros(x.shape[1])
    for _ in range(50):
        chance = 1 / (1 + np.exp(-x @ found))
        gradient = x.T @ (weights * (chance - y)) + RIDGE * found
        curvature = (x * (weights * chance * (1 - chance))[:, None]).T @ x + RIDGE * np.eye(x.shape[1])
        step = np.linalg.solve(curvature, gradient)
        found = found - step
        if np.abs(step).max() < 1e-9:
            break
    return found
