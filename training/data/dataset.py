"""Find the data folder, read its manifest and its pictures."""

import csv
import os
from dataclasses import dataclass
from pathlib import Path

from csss.inference.labels import Label
from csss.paths import ROOT

CLASSES: tuple[Label, ...] = (
    Label(
        "COVID",
        "COVID-19",
        "The chest X-ray resembles those of people with COVID-19 pneumonia.",
    ),
    Label(
        "Lung_Opacity",
        "Lung opacity",
        "Part of the lung looks denser than it should, for instance through fluid or infection; the cause is open.",
    ),
    Label(
        "NIH_MERGED",
        "Chest X-ray, no listed disease recognised",
        "It may be with or without a finding: the class is a mixed collection of chest X-rays, "
        "and half of those people had no finding.",
    ),
    Label(
        "Normal",
        "Normal",
        "The chest X-ray or cardiac MRI resembles those of people in whom no disease was found.",
    ),
    Label(
        "Sick",
        "Heart disease",
        "The cardiac MRI resembles those of people with an enlarged, thickened or scarred heart muscle.",
    ),
    Label(
        "Viral_Pneumonia",
        "Viral pneumonia",
        "The chest X-ray resembles those of children with pneumonia caused by a virus.",
    ),
)
"""The classes in the order of the network's output. Export writes them to the model folder, which is the source
afterwards."""

LABELS = tuple(label.name for label in CLASSES)


class DataMissing(Exception):
    """The data folder does not exist; the message says how to name it."""


@dataclass(frozen=True)
class Image:
    """One row of `manifest.csv`; `part` is `old` for the data folder, `new` for images that were added later."""

    path: str
    label: str
    source: str
    group: str
    native_width: int
    part: str = "old"

    @property
    def kind(self) -> str:
        """`cardiac_mri` for slices of ACDC and of the CAD set, otherwise `chest_xray`."""
        return "cardiac_mri" if self.group.startswith(("acdc-", "cad-")) else "chest_xray"

    @property
    def stratum(self) -> str:
        """The unit of stratification: the class plus the kind of scan, because Normal contains two modalities."""
        return f"{self.label}/{self.kind}"


def data_folder(option: Path | None = None) -> Path:
    """The folder named by the option, by $CSSS_DATA, or `../shared/data` beside the checkout."""
    folder = option or Path(os.environ.get("CSSS_DATA") or ROOT.parent / "shared" / "data")
    if not (folder / "manifest.csv").is_file():
        raise DataMissing(f"No manifest.csv in {folder}. Name the data folder with --data or CSSS_DATA.")
    return folder


def weights_file(option: Path | None = None) -> str:
    """The base weights: the option, $CSSS_WEIGHTS, a file in `../shared/weights`, or Keras's own `imagenet`."""
    named = option or (Path(os.environ["CSSS_WEIGHTS"]) if os.environ.get("CSSS_WEIGHTS") else None)
    if named is not None:
        if not named.is_file():
            raise DataMissing(f"There is no weights file {named}.")
        return str(named)
    beside = ROOT.parent / "shared" / "weights" / "mobilenet_v2_1.0_no_top.weights.h5"
    return str(beside) if beside.is_file() else "imagenet"


def read_manifest(folder: Path) -> list[Image]:
    """Every image of the data folder, in the order of the manifest."""
    with (folder / "manifest.csv").open(newline="", encoding="utf-8") as file:
        return [
            Image(row["path"], row["label"], row["source"], row["group"], int(row["native_width"]))
            for row in csv.DictReader(file)
        ]
