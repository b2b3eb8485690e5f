"""Load what the data say beyond the class: findings, view, readings of opacity, the diseases behind Sick.

During training, a second output of the network learns them from the same pooled features. The released network keeps
`FINDINGS`, the fourteen findings of NIH ChestX-ray14 and `No_Finding`; the others only tell it what to look at: what an
opacity is, what accompanies it (a portable AP picture), and what makes a heart sick (ACDC's four groups).

Where a radiologist has read an image (RSNA, Google), that reading decides about `No_Finding` before NIH's labels, which
a program took from reports. An image that RSNA reads as Normal has none of the fourteen.
"""

import csv
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from csss.inference.labels import NO_FINDING, VIEWS
from training.data.collection import LATERAL, NONE, more_folder
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
TITLES = {name: name.replace("_", " ").capitalize() for name in NIH_FINDINGS} | {
    "Cardiomegaly": "Enlarged heart (cardiomegaly)",
    "Edema": "Lung oedema",
    "Effusion": "Pleural effusion",
    "Hernia": "Hiatus hernia",
    NO_FINDING: "No finding",
}
"""Display names."""
FINDINGS = (*NIH_FINDINGS, NO_FINDING)
OTHERS = ("AP view", "opacity as read")
HEARTS = ("DCM", "HCM", "MINF", "NOR", "RV")
"""ACDC numbers its training patients in five groups of 20, in this order."""
NAMES = (*FINDINGS, *OTHERS, *HEARTS)
UNKNOWN = -1.0


def findings(images: list[Image], data: Path) -> NDArray[np.float32]:
    """What is known about each image: (images, len(NAMES)); 1 for yes, 0 for no, `UNKNOWN` where there is no label."""
    known = said_of(data)
    rows = np.full((len(images), len(NAMES)), UNKNOWN, np.float32)
    for row, image in zip(rows, images, strict=True):
        if image.kind == "cardiac_mri":
            _fill_heart(row[len(FINDINGS) + len(OTHERS) :], image)
        elif image.label != LATERAL and key(image) in known:
            _fill(row, known[key(image)])
    return rows


def views(images: list[Image]) -> NDArray[np.float32]:
    """What each picture is, as one-hot rows (images, len(VIEWS))."""
    of = {LATERAL: "lateral_chest", NONE: "none"}
    kinds = {"cardiac_mri": "cardiac_mri", "chest_xray": "frontal_chest"}
    names = [of.get(image.label, kinds[image.kind]) for image in images]
    return np.eye(len(VIEWS), dtype=np.float32)[[VIEWS.index(name) for name in names]]


def _fill_heart(row: NDArray[np.float32], image: Image) -> None:
    """The group of an ACDC patient: the first hundred are numbered by group (`acdc-patient021` is the first of HCM), of
    the others only healthy or not is known."""
    number = int("".join(letter for letter in image.group if letter.isdigit()))
    if number <= 20 * len(HEARTS):
        row[:] = [name == HEARTS[(number - 1) // 20] for name in HEARTS]
    elif image.label == "Normal":
        row[:] = [name == "NOR" for name in HEARTS]
    else:
        row[HEARTS.index("NOR")] = 0


def reading(said: dict[str, str]) -> str:
    """What radiologists read: `normal`, `opacity`, `other` (not normal, no opacity), or an empty text for unread."""
    if said["rsna_class"] == "Lung Opacity" or said["google_airspace_opacity"] == "YES":
        return "opacity"
    return {"Normal": "normal", "": ""}.get(said["rsna_class"], "other")


def _fill(row: NDArray[np.float32], said: dict[str, str]) -> None:
    named, read = said["nih_finding_labels"].split("|"), reading(said)
    row[: len(NIH_FINDINGS)] = [name in named and read != "normal" for name in NIH_FINDINGS]
    row[NAMES.index(NO_FINDING)] = read == "normal" if read else named == ["No Finding"]
    if said["view_position"]:
        row[NAMES.index("AP view")] = said["view_position"] == "AP"
    if read or said["google_airspace_opacity"]:
        row[NAMES.index("opacity as read")] = read == "opacity"


def key(image: Image) -> str:
    """NIH's name of an image, under which `said_of` has its row; another image's path."""
    return Path(image.path).name if image.group.startswith("nih-") else image.path


def said_of(data: Path) -> dict[str, dict[str, str]]:
    """NIH's labels and the readings of each image, by file name and by path; empty when the data come without them."""
    more = more_folder(data)
    files = [data / FINDINGS_FILE]
    files += [more / f"{name}_findings.csv" for name in ("new_patients", "same_patients")] if more else []
    found: dict[str, dict[str, str]] = {}
    for file in files:
        if not file.is_file():
            continue
        with file.open(newline="", encoding="utf-8") as lines:
            for row in csv.DictReader(lines):
                found[row["path"]] = found[Path(row["path"]).name] = row
    return found
