"""Compute accuracy by subgroup of the held-out test set: kind of scan, size, and patient data if known."""

import csv
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from training.data.dataset import Image
from training.data.findings import FINDINGS_FILE

if TYPE_CHECKING:
    from training.measuring.evaluate import Side

Row = dict[str, str]


def _accuracy(mask: Sequence[bool], right: NDArray[np.bool_]) -> dict[str, float]:
    chosen = np.array(mask, dtype=bool)
    return {"images": int(chosen.sum()), "accuracy": float(right[chosen].mean()) if chosen.any() else 0.0}


def subgroups(images: Sequence[Image], right: NDArray[np.bool_]) -> dict[str, dict[str, float]]:
    """Images and accuracy by kind of scan and native size; `right` (n) says which predictions were right."""
    return {
        "chest X-ray": _accuracy([image.kind == "chest_xray" for image in images], right),
        "cardiac MRI": _accuracy([image.kind == "cardiac_mri" for image in images], right),
        "cardiac MRI, healthy": _accuracy(
            [image.kind == "cardiac_mri" and image.label == "Normal" for image in images], right
        ),
        "native width 128": _accuracy([image.native_width == 128 for image in images], right),
        "native width above 128": _accuracy([image.native_width > 128 for image in images], right),
    }


def _age(row: Row) -> int:
    """Age in years; -1 when unknown, which belongs to no group."""
    return int(row["patient_age"]) if row["patient_age"].isdigit() else -1


_PEOPLE: dict[str, Callable[[Row], bool]] = {
    "women": lambda row: row["patient_sex"] == "F",
    "men": lambda row: row["patient_sex"] == "M",
    "under 40 years": lambda row: 0 <= _age(row) < 40,
    "40 to 64 years": lambda row: 40 <= _age(row) < 65,
    "65 years and over": lambda row: _age(row) >= 65,
    "standing (PA)": lambda row: row["view_position"] == "PA",
    "in bed (AP)": lambda row: row["view_position"] == "AP",
}


def people(data: Path, side: "Side") -> dict[str, dict[str, float]] | None:
    """Images and accuracy by sex, age and view of the NIH images, the only ones with these data; otherwise None."""
    file = data / FINDINGS_FILE
    if not file.is_file():
        return None
    with file.open(newline="", encoding="utf-8") as stream:
        known = {row["path"]: row for row in csv.DictReader(stream)}
    right = side.read.after.argmax(axis=1) == side.truth
    rows = [known.get(image.path) for image in side.images]
    return {
        name: _accuracy([row is not None and belongs(row) for row in rows], right)
        for name, belongs in _PEOPLE.items()
    }
