"""The split: by patient, in proportion, the same every time."""

import random
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("tqdm", reason="the extra `train` is not installed")

from training.data.dataset import LABELS, DataMissing, Image, data_folder, read_manifest
from training.data.split import (
    SIDES,
    LeakFound,
    check_groups,
    near_duplicates,
    read_split,
    split,
    write_split,
)

pytestmark = pytest.mark.training


def made_up(count=3000, seed=1):
    chance = random.Random(seed)
    return [
        Image(f"{label}/{number}.jpg", label, "made up", f"patient-{chance.randrange(count // 3)}", 256)
        for number in range(count)
        for label in [chance.choice(LABELS)]
    ]


@pytest.fixture
def images():
    """The real manifest where there is one, else a made-up one with patients in several classes."""
    try:
        return read_manifest(data_folder())
    except DataMissing:
        return made_up()


def test_no_patient_is_on_two_sides(images):
    sides = split(images)
    seen = {}
    for image in images:
        assert seen.setdefault(image.group, sides[image.path]) == sides[image.path]


def test_every_class_is_shared_out_in_proportion(images):
    sides = split(images)
    total = Counter(image.label for image in images)
    for (label, side), count in Counter((image.label, sides[image.path]) for image in images).items():
        assert count / total[label] == pytest.approx(SIDES[side], abs=0.01)


def test_both_kinds_of_normal_are_on_every_side(images):
    sides = split(images)
    if all(image.kind == "chest_xray" for image in images):
        pytest.skip("The made-up manifest has no cardiac MRI; the data folder is not here.")
    healthy = Counter(sides[image.path] for image in images if image.stratum == "Normal/cardiac_mri")
    assert all(
        healthy[side] / healthy.total() == pytest.approx(share, abs=0.05) for side, share in SIDES.items()
    )


def test_the_split_depends_on_nothing_but_the_seed(images):
    again = list(images)
    random.Random(7).shuffle(again)
    assert split(again) == split(images)
    assert split(images, seed=43) != split(images)


def test_a_leak_is_found():
    images = made_up(300)
    sides = split(images)
    pair = next(group for group, count in Counter(image.group for image in images).items() if count > 1)
    path = next(image.path for image in images if image.group == pair)
    sides[path] = "test" if sides[path] != "test" else "train"
    with pytest.raises(LeakFound, match=pair):
        check_groups(images, sides)


def test_the_same_picture_on_two_sides_is_found(tmp_path):
    chance = np.random.default_rng(1)
    first, other = (chance.integers(0, 256, (8, 8), dtype=np.uint8) for _ in range(2))
    pictures = {
        "a.png": cv2.resize(first, (200, 200)),
        "b.png": cv2.resize(first, (150, 150)),
        "c.png": other,
    }
    for name, picture in pictures.items():
        cv2.imwrite(str(tmp_path / name), picture)
    images = [Image(name, "Normal", "made up", name, 200) for name in pictures]
    sides = {"a.png": "train", "b.png": "test", "c.png": "val"}
    pairs = near_duplicates(tmp_path, images, sides)
    assert [(pair.first, pair.second) for pair in pairs] == [("a.png", "b.png")]


def test_the_split_survives_writing_and_reading(tmp_path: Path):
    images = made_up(300)
    sides = split(images)
    write_split(tmp_path / "split.csv", images, sides)
    assert {image.path: side for image, side in read_split(tmp_path / "split.csv")} == sides
