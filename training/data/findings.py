"""Load what the data say beyond the class: findings, view, readings of opacity, the diseases behind Sick.

During training, a second output of the network learns them from the same pooled features; export leaves it out.
They tell the network what to look at where the class alone says little: what an opacity is (readings of
radiologists, findings of NIH), what accompanies it (a portable AP picture), and what makes a heart sick (ACDC's
four groups).
"""

import csv
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training.data.dataset import Image

FINDINGS_FILE = "nih_findings.csv"
"""Beside the manifest: `path,…,patient_age,patient_sex,view_position,…` of the NIH images. It may be missing."""

NIH_FINDINGS = (
    "Atelectasis",
    "Cardiomegaly",
    "Consolidation",
    "Edema",
    "Effusion",
    "Emphysema",
    "Fibrosis",
    "Hernia",
    "Infiltration",
    "Mass",
    "Nodule",
    "Pleural_Thickening",
    "Pneumonia",
    "Pneumothorax",
)
OTHERS = ("AP view", "opacity as read")
HEARTS = ("DCM", "HCM", "MINF", "NOR", "RV")
"""ACDC numbers its training patients in five groups of 20, in this order."""
NAMES = (*NIH_FINDINGS, *OTHERS, *HEARTS)
UNKNOWN = -1.0


def findings(images: list[Image], data: Path) -> NDArray[np.float32]:
    """What is known about each image: (images, len(NAMES)); 1 for yes, 0 for no, `UNKNOWN` where there is no label."""
    known = _table(data / FINDINGS_FILE)
    rows = np.full((len(images), len(NAMES)), UNKNOWN, np.float32)
    for row, image in zip(rows, images, strict=True):
        if image.kind == "cardiac_mri":
            row[len(NIH_FINDINGS) + len(OTHERS) :] = [name == _heart(image) for name in HEARTS]
        elif image.path in known:
            _fill(row, known[image.path])
    return rows


def _heart(image: Image) -> str:
    """The group of an ACDC patient, by number: `acdc-patient021` is the first of HCM."""
    number = int("".join(letter for letter in image.group if letter.isdigit()))
    return HEARTS[(number - 1) // 20]


def _fill(row: NDArray[np.float32], said: dict[str, str]) -> None:
    named = said["nih_finding_labels"].split("|")
    row[: len(NIH_FINDINGS)] = [name in named for name in NIH_FINDINGS]
    if said["view_position"]:
        row[NAMES.index("AP view")] = said["view_position"] == "AP"
    readings = {said["rsna_class"], said["google_airspace_opacity"]} - {""}
    if readings:
        row[NAMES.index("opacity as read")] = bool(readings & {"Lung Opacity", "YES"})


def _table(file: Path) -> dict[str, dict[str, str]]:
    """Rows by path; empty when the data come without this file, and then nothing is learned from it."""
    if not file.is_file():
        return {}
    with file.open(newline="", encoding="utf-8") as lines:
        return {row["path"]: row for row in csv.DictReader(lines)}
