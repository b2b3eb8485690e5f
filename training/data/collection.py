"""Put together the data folder and the folder of additional images beside it, each image with its side of the split.

The additional folder (`$CSSS_MORE`, otherwise `more` beside the data folder; it may be missing) holds

- `new_patients.csv`: images of new patients, and lateral chest X-rays (label `Lateral`, which is no class);
- `same_patients.csv`: further images of patients of the data folder;
- `sharper.csv`: images of the data folder at a higher resolution (column `replaces`);
- `group_links.csv`: images whose patient has become known (column `nih_image`).

The images of the data folder keep the sides that they had without the additional ones, so that figures of earlier
versions stay comparable. Further images follow their patient. New patients are divided apart from the old ones.
"""

import csv
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from training.data.dataset import LABELS, Image, read_manifest
from training.data.split import SEED, check_groups, split

LATERAL: Final = "Lateral"
NONE: Final = "None"
"""The label of drawn pictures that are no scan (`training.fitting.drawn`)."""
FAULTY: Final = {
    "NIH_MERGED/00003490_011.jpg": "upside down",
    "Normal/Normal-5428.jpg": "the same scan as NIH 00000459_016 of another group",
}
"""Images of the data folder that are left out."""
OLD, NEW = "old", "new"


@dataclass(frozen=True)
class Collection:
    """Images (with a class, and `Lateral`), and the side of each path.

    `sharper` are the test images at a higher resolution, by the path of the copy that each could replace.
    """

    images: list[Image]
    sides: dict[str, str]
    sharper: dict[str, Image]

    def of(self, side: str, part: str | None = None) -> list[Image]:
        """The images with a class on a side, of one part (`old`, `new`) or of both."""
        return [
            image
            for image in self.images
            if self.sides[image.path] == side and image.label in LABELS and part in {None, image.part}
        ]

    def lateral(self, side: str) -> list[Image]:
        """The lateral chest X-rays of a side."""
        return [image for image in self.images if self.sides[image.path] == side and image.label == LATERAL]


def more_folder(data: Path) -> Path | None:
    """The folder of additional images, or None when there is none."""
    named = os.environ.get("CSSS_MORE")
    folder = Path(named) if named else data.parent / "more"
    return folder if (folder / "new_patients.csv").is_file() else None


def gather(data: Path, seed: int = SEED, *, more: Path | None = None) -> Collection:
    """All images of the data folder, and those of `more` when given. Raises `LeakFound`."""
    old = read_manifest(data)
    sides = split(old, seed)
    if more is None:
        return Collection(old, sides, {})
    side_of = {image.group: sides[image.path] for image in old}
    clearer = dict(_sharper(data, more))
    kept = list(_old(old, sides, clearer, _links(more)))
    further = [image for name in ("same_patients", "new_patients") for _, image in _rows(data, more, name)]
    fresh = [image for image in further if image.group not in side_of]
    placed = sides | split([image for image in fresh if image.label in LABELS], seed)
    placed |= split([image for image in fresh if image.label not in LABELS], seed)
    followers = [*clearer.values(), *(image for image in further if image.group in side_of)]
    placed |= {image.path: side_of[image.group] for image in followers}
    images = kept + further
    chosen = {image.path: placed[image.path] for image in images}
    _join_lateral(images, chosen)
    check_groups(images, chosen)
    return Collection(
        images, chosen, {path: image for path, image in clearer.items() if sides[path] == "test"}
    )


def _old(
    old: list[Image], sides: dict[str, str], clearer: dict[str, Image], links: dict[str, str]
) -> Iterator[Image]:
    """The images of the data folder: without the faulty ones, and at the higher resolution except on the test side."""
    for image in old:
        if image.path in FAULTY:
            continue
        kept = image if image.path not in links else replace(image, group=links[image.path])
        yield kept if sides[image.path] == "test" else clearer.get(image.path, kept)


def _join_lateral(images: list[Image], sides: dict[str, str]) -> None:
    """Give the lateral images of a patient the side of the patient's other images."""
    of = {image.group: sides[image.path] for image in images if image.label in LABELS}
    for image in images:
        if image.label not in LABELS and image.group in of:
            sides[image.path] = of[image.group]


def _links(more: Path) -> dict[str, str]:
    """The patient (`nih-` and the number) of images of the data folder that had none, by path."""
    with (more / "group_links.csv").open(newline="", encoding="utf-8") as file:
        return {
            row["path"]: f"nih-{row['nih_image'].partition('_')[0]}"
            for row in csv.DictReader(file)
            if row["set"] == "data"
        }


def _sharper(data: Path, more: Path) -> Iterator[tuple[str, Image]]:
    return ((row["replaces"], replace(image, part=OLD)) for row, image in _rows(data, more, "sharper"))


def _rows(data: Path, more: Path, name: str) -> Iterator[tuple[dict[str, str], Image]]:
    """Each row of a manifest with its image, whose path is relative to the data folder."""
    between = Path(os.path.relpath(more, data))
    with (more / f"{name}.csv").open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            path = (between / row["path"]).as_posix()
            yield row, Image(path, row["label"], row["source"], row["group"], int(row["native_width"]), NEW)
