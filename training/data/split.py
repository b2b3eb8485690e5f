"""Split the images into train, val and test: by patient, stratified by class."""

import csv
import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from training.data.dataset import Image
from training.data.near_duplicates import NEAR, near_pairs, thumbnails

SIDES = {"train": 0.70, "val": 0.15, "test": 0.15}
SEED = 42


class LeakFound(Exception):
    """A patient is on two sides of the split."""


@dataclass(frozen=True)
class Leak:
    """Two near duplicates on different sides."""

    first: str
    second: str
    correlation: float


def split(images: Sequence[Image], seed: int = SEED) -> dict[str, str]:
    """Map each image's path to its side.

    Groups are shuffled, then assigned from the largest to the smallest. Each goes to the side that it leaves least
    unbalanced in its strata (class and kind of scan), measured as the squared shortfall relative to the target
    fraction. Large groups come first, because only small ones can still correct a proportion.
    """
    groups: dict[str, list[Image]] = defaultdict(list)
    for image in images:
        groups[image.group].append(image)
    wanted = Counter(image.stratum for image in images)
    have: dict[str, Counter[str]] = {side: Counter() for side in SIDES}
    order = sorted(groups)
    random.Random(seed).shuffle(order)
    order.sort(key=lambda group: -len(groups[group]))  # stable: equal sizes stay shuffled
    sides: dict[str, str] = {}
    for group in order:
        needs = Counter(image.stratum for image in groups[group])

        def gain(side: str, needs: Counter[str] = needs) -> float:
            """By how much this side's relative shortfall shrinks when it takes the group."""
            total = 0.0
            for stratum, count in needs.items():
                goal = wanted[stratum] * SIDES[side]
                short = goal - have[side][stratum]
                total += (short**2 - (short - count) ** 2) / goal / wanted[stratum]
            return total

        side = max(SIDES, key=gain)
        have[side].update(needs)
        sides.update((image.path, side) for image in groups[group])
    check_groups(images, sides)
    return sides


def check_groups(images: Iterable[Image], sides: dict[str, str]) -> None:
    """Raise `LeakFound` when a group is on two sides."""
    seen: dict[str, str] = {}
    for image in images:
        if seen.setdefault(image.group, sides[image.path]) != sides[image.path]:
            raise LeakFound(f"Group {image.group} is on two sides of the split.")


def near_duplicates(
    folder: Path,
    images: Sequence[Image],
    sides: dict[str, str],
    above: float = NEAR,
    keep: Path | None = None,
) -> list[Leak]:
    """Pairs on different sides whose thumbnails correlate by more than `above`; see `training.data.near_duplicates`."""
    return [
        Leak(images[pair.first].path, images[pair.second].path, pair.correlation)
        for pair in near_pairs(thumbnails(folder, images, keep), above)
        if sides[images[pair.first].path] != sides[images[pair.second].path]
    ]


def write_split(file: Path, images: Iterable[Image], sides: dict[str, str]) -> None:
    """Write `path,label,source,group,kind,native_width,part,side`, one row per image."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["path", "label", "source", "group", "kind", "native_width", "part", "side"])
        for image in images:
            about = (image.label, image.source, image.group, image.kind, image.native_width, image.part)
            writer.writerow([image.path, *about, sides[image.path]])


def read_split(file: Path) -> list[tuple[Image, str]]:
    """Each image with its side, in the order in which `write_split` wrote them."""
    with file.open(newline="", encoding="utf-8") as stream:
        return [(_image(row), row["side"]) for row in csv.DictReader(stream)]


def _image(row: dict[str, str]) -> Image:
    about = (row["path"], row["label"], row["source"], row["group"])
    return Image(*about, int(row["native_width"]), row["part"])
