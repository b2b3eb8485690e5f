"""List the three original data sets for one manifest, in the layouts in which their publishers distribute them.

- NIH ChestX-ray14: `images_*/images/*.png` (or `images/*.png`) and `Data_Entry_2017*.csv` with `Image Index`,
  `Finding Labels` and `Patient ID`. Every image is NIH_MERGED, as in the paper.
- COVID-19 Radiography Database: `COVID`, `Lung_Opacity`, `Normal` and `Viral Pneumonia`, in each `images/*.png`
  (older versions: the pictures themselves). `masks/` holds outlines of the lungs, which are no scans. The patients
  are unknown.
- CAD Cardiac MRI: `Normal/Directory_*/…` and `Sick/Directory_*/…`; a directory is one patient.
"""

import csv
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

COVID_CLASSES = {
    "COVID": "COVID",
    "Lung_Opacity": "Lung_Opacity",
    "Normal": "Normal",
    "Viral Pneumonia": "Viral_Pneumonia",
}
CAD_CLASSES = ("Normal", "Sick")
PICTURES = {".png", ".jpg", ".jpeg"}


class SourceWrong(Exception):
    """A folder does not have the layout of its data set; the message says what is missing."""


@dataclass(frozen=True)
class Entry:
    """One picture before it is hashed; `person` has NIH's patient columns, where they are known."""

    file: Path
    label: str
    source: str
    group: str
    person: dict[str, str] = field(default_factory=dict)


@dataclass
class LeftOut:
    """Files in the folders that are no scans of the data sets, by reason."""

    counts: Counter[str] = field(default_factory=Counter)

    def sentences(self) -> list[str]:
        """One sentence for each reason."""
        return [f"{count} left out: {reason}." for reason, count in sorted(self.counts.items())]


MASKS = "lung masks are outlines, no scans (the paper counted them as images)"
UNLISTED = "NIH pictures that the table of findings does not list, so that their patient is not known"


def nih(folder: Path, left_out: LeftOut) -> Iterator[Entry]:
    """The images of NIH ChestX-ray14, in the order of their names. Raises `SourceWrong`."""
    tables = sorted(folder.glob("Data_Entry_2017*.csv"))
    files = sorted(file for file in folder.glob("**/images/*") if file.suffix.lower() == ".png")
    if not tables or not files:
        wanted = "images_*/images/*.png and Data_Entry_2017.csv"
        raise SourceWrong(f"{folder} does not look like NIH ChestX-ray14: it needs {wanted}.")
    with tables[-1].open(newline="", encoding="utf-8-sig") as stream:
        known = {row["Image Index"]: row for row in csv.DictReader(stream)}
    for file in files:
        row = known.get(file.name)
        if row is None:
            left_out.counts[UNLISTED] += 1
            continue
        yield Entry(
            file,
            "NIH_MERGED",
            "NIH ChestX-ray14",
            f"nih-{int(row['Patient ID']):08d}",
            {
                "nih_finding_labels": row["Finding Labels"],
                # Older tables say 058Y, newer ones 58.
                "patient_age": "".join(sign for sign in row.get("Patient Age", "") if sign.isdigit()).lstrip(
                    "0"
                ),
                "patient_sex": row.get("Patient Gender") or row.get("Patient Sex") or "",
                "view_position": row.get("View Position", ""),
            },
        )


def covid(folder: Path, left_out: LeftOut) -> Iterator[Entry]:
    """The images of the COVID-19 Radiography Database; masks are counted and excluded. Raises `SourceWrong`."""
    missing = [name for name in COVID_CLASSES if not (folder / name).is_dir()]
    if missing:
        raise SourceWrong(
            f"{folder} does not look like the COVID-19 Radiography Database: it has no folder {' and no '.join(missing)}."
        )
    for name, label in COVID_CLASSES.items():
        inside = folder / name / "images"
        for file in _pictures(inside if inside.is_dir() else folder / name, deep=False):
            # The same name may occur in the folders of two classes.
            yield Entry(file, label, "COVID-19 Radiography Database", f"crd-{label}-{file.stem}")
        left_out.counts[MASKS] += len(list(_pictures(folder / name / "masks", deep=True)))


def cad(folder: Path, left_out: LeftOut) -> Iterator[Entry]:
    """The slices of CAD Cardiac MRI; a `Directory_*` is a patient. Raises `SourceWrong`."""
    for label in CAD_CLASSES:
        people = sorted(place for place in folder.glob(f"{label}/Directory_*") if place.is_dir())
        if not people:
            raise SourceWrong(
                f"{folder} does not look like CAD Cardiac MRI: there is no {label}/Directory_* with slices."
            )
        for person in people:
            for file in _pictures(person, deep=True):
                yield Entry(file, label, "CAD Cardiac MRI", f"cad-{label}-{person.name}")
        beside = sum(1 for _ in _pictures(folder / label, deep=False))
        if beside:
            left_out.counts["cardiac slices outside a patient's directory"] += beside


def _pictures(folder: Path, *, deep: bool) -> Iterator[Path]:
    if folder.is_dir():
        files = folder.rglob("*") if deep else folder.iterdir()
        yield from sorted(file for file in files if file.suffix.lower() in PICTURES and file.is_file())
