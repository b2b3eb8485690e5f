"""The original data sets, in small copies of their layouts, become one data folder without leaks."""

import csv
import json
from collections import Counter

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

pytest.importorskip("tqdm", reason="the extra `train` is not installed")

from training.__main__ import main
from training.data import manifest
from training.data import near_duplicates as near
from training.data.dataset import Image, data_folder, read_manifest
from training.data.split import near_duplicates, split

pytestmark = pytest.mark.training


def picture(seed, side=64):
    """A smooth pattern of its own: no two seeds look alike."""
    grains = np.random.default_rng(seed).integers(0, 256, (8, 8), dtype=np.uint8)
    return cv2.resize(grains, (side, side), interpolation=cv2.INTER_CUBIC)


def put(file, seed, side=64):
    file.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(file), picture(seed, side))


@pytest.fixture
def originals(tmp_path):
    """Folders as the publishers hand them out: NIH in two parts, the COVID database with masks, cardiac slices."""
    nih, covid, cad = (tmp_path / name for name in ("nih", "covid", "cad"))
    names = [f"0000000{patient}_00{visit}.png" for patient in range(1, 7) for visit in range(2)]
    for number, name in enumerate(names):
        put(nih / f"images_00{1 + number % 2}" / "images" / name, 100 + number)
    put(nih / "images_001" / "images" / "00000099_000.png", 199)  # not in the table
    with (nih / "Data_Entry_2017.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["Image Index", "Finding Labels", "Follow-up #", "Patient ID", "Patient Age",
                        "Patient Gender", "View Position"])  # fmt: skip
        for name in names:
            table.writerow([name, "No Finding|Mass", 0, int(name[:8]), "058Y", "F", "PA"])
    for index, (folder, stem) in enumerate(
        [
            ("COVID", "COVID"),
            ("Lung_Opacity", "Lung_Opacity"),
            ("Normal", "Normal"),
            ("Viral Pneumonia", "Viral Pneumonia"),
        ]
    ):
        for number in range(1, 9):
            put(covid / folder / "images" / f"{stem}-{number}.png", 1000 * (index + 1) + number)
            put(covid / folder / "masks" / f"{stem}-{number}.png", 7)
    for label, start in (("Normal", 6000), ("Sick", 7000)):
        for person in range(1, 6):
            for slice_ in range(4):
                put(
                    cad / label / f"Directory_{person}" / "series" / f"{slice_}.jpg",
                    start + 10 * person + slice_,
                )
    return {"nih": nih, "covid": covid, "cad": cad}


def rows(out):
    with (out / "manifest.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_every_scan_is_listed_with_its_class_patient_and_hash_and_no_mask_is(originals, tmp_path):
    out = tmp_path / "data"
    record = manifest.build(originals, out)
    listed = rows(out)
    assert Counter(row["label"] for row in listed) == {
        "NIH_MERGED": 12, "COVID": 8, "Lung_Opacity": 8, "Normal": 8 + 20, "Viral_Pneumonia": 8, "Sick": 20,
    }  # fmt: skip
    assert record["by_class"]["Normal"] == 28
    assert not [row for row in listed if "masks" in row["path"]]
    assert any(line.startswith("32 left out: lung masks") for line in record["left_out"])
    assert any(line.startswith("1 left out: NIH pictures") for line in record["left_out"])
    by_path = {row["path"].rpartition("/")[2]: row for row in listed}
    assert by_path["00000003_001.png"]["group"] == by_path["00000003_000.png"]["group"] == "nih-00000003"
    assert by_path["COVID-1.png"]["native_width"] == "64"
    assert len(by_path["COVID-1.png"]["sha256"]) == 64
    sick = {row["group"] for row in listed if row["label"] == "Sick"}
    assert sick == {f"cad-Sick-Directory_{person}" for person in range(1, 6)}
    assert all((out / row["path"]).is_file() for row in listed)
    with (out / "nih_findings.csv").open(newline="", encoding="utf-8") as file:
        person = next(csv.DictReader(file))
    assert (person["patient_age"], person["patient_sex"], person["view_position"]) == ("58", "F", "PA")


def test_the_manifest_is_a_data_folder_that_splits_by_patient(originals, tmp_path):
    out = tmp_path / "data"
    manifest.build(originals, out)
    images = read_manifest(data_folder(out))
    assert {image.kind for image in images if image.label == "Sick"} == {"cardiac_mri"}
    sides = split(images)
    sides_of = {
        image.group: {sides[other.path] for other in images if other.group == image.group} for image in images
    }
    assert all(len(found) == 1 for found in sides_of.values())
    assert near_duplicates(out, images, sides) == []


def test_a_second_copy_is_listed_once_and_nearly_equal_pictures_share_a_group(originals, tmp_path):
    again = originals["covid"] / "COVID" / "images" / "COVID-90.png"
    again.write_bytes((originals["covid"] / "COVID" / "images" / "COVID-1.png").read_bytes())
    put(
        originals["covid"] / "Normal" / "images" / "Normal-91.png", 100, side=96
    )  # the first NIH image, larger
    record = manifest.build(originals, tmp_path / "data")
    listed = {row["path"].rpartition("/")[2]: row for row in rows(tmp_path / "data")}
    assert ("COVID-1.png" in listed) != ("COVID-90.png" in listed)
    assert any("second copies" in line for line in record["left_out"])
    assert (
        listed["Normal-91.png"]["group"]
        == listed["00000001_000.png"]["group"]
        == listed["00000001_001.png"]["group"]
    )
    assert record["near"]["in_two_classes"] == 1
    manifest.build(originals, tmp_path / "apart", join=False)
    apart = {row["path"].rpartition("/")[2]: row for row in rows(tmp_path / "apart")}
    assert apart["Normal-91.png"]["group"] != apart["00000001_000.png"]["group"]


def test_a_killed_run_hashes_only_what_is_left(originals, tmp_path, monkeypatch):
    out, read = tmp_path / "data", []
    real = manifest._hash

    def killed_after_ten(file):
        if len(read) == 10:
            raise KeyboardInterrupt
        read.append(file)
        return real(file)

    monkeypatch.setattr(manifest, "_hash", killed_after_ten)
    with pytest.raises(KeyboardInterrupt):
        manifest.build(originals, out)
    assert not (out / "manifest.csv").exists()
    with (out / "hashes.csv").open("a") as torn:
        torn.write("/somewhere/half,12-")
    monkeypatch.setattr(manifest, "_hash", lambda file: read.append(file) or real(file))
    record = manifest.build(originals, out)
    assert len(read) == len(set(read)) == record["images"]  # the ten of the first run were not read again
    (originals["cad"] / "Sick" / "Directory_1" / "series" / "0.jpg").write_bytes(b"no picture")
    changed = manifest.build(originals, out)
    assert changed["images"] == record["images"] - 1
    assert any("damaged" in line for line in changed["left_out"])


def test_the_command_says_what_it_found_and_what_is_wrong(originals, tmp_path):
    asked = ["manifest", "--covid", str(originals["covid"]), "--out", str(tmp_path / "data")]
    done = CliRunner().invoke(main, asked)
    assert done.exit_code == 0, done.output
    assert "32 left out: lung masks are outlines" in done.output
    assert json.loads((tmp_path / "data" / "manifest.json").read_text())["images"] == 32
    wrong = CliRunner().invoke(
        main, ["manifest", "--nih", str(originals["covid"]), "--out", str(tmp_path / "x")]
    )
    assert wrong.exit_code == 1
    assert "does not look like NIH ChestX-ray14" in wrong.output
    assert CliRunner().invoke(main, ["manifest", "--out", str(tmp_path / "x")]).exit_code == 2


def test_hashing_finds_what_comparing_every_pair_finds():
    random = np.random.default_rng(5)
    common = cv2.resize(random.random((6, 6)), (32, 32), interpolation=cv2.INTER_CUBIC)
    base = [cv2.resize(random.random((7, 7)), (32, 32), interpolation=cv2.INTER_CUBIC) for _ in range(400)]
    scans = np.stack([common * 120 + one * 90 for one in base])  # all look a little alike, as chest X-rays do
    copies = np.clip(scans[:40] * 0.9 + 8 + random.normal(0, 1.5, scans[:40].shape), 0, 255)
    thumbs = np.concatenate([scans, copies]).clip(0, 255).astype(np.uint8).reshape(440, -1)
    every, hashed = near.near_pairs(thumbs), near.near_pairs(thumbs, all_pairs=10)
    assert {(pair.first, pair.second) for pair in every} >= {(number, 400 + number) for number in range(40)}
    assert {(pair.first, pair.second) for pair in hashed} == {(pair.first, pair.second) for pair in every}


def test_thumbnails_are_kept_and_made_only_once(tmp_path, monkeypatch):
    images = []
    for number in range(6):
        put(tmp_path / f"{number}.png", number)
        images.append(Image(f"{number}.png", "COVID", "made up", str(number), 64))
    kept, real = tmp_path / "kept.npy", cv2.imread
    first = near.thumbnails(tmp_path, images[:], kept).copy()
    monkeypatch.setattr(near.cv2, "imread", lambda *_: pytest.fail("read a second time"))
    assert np.array_equal(near.thumbnails(tmp_path, images, kept), first)
    monkeypatch.setattr(near.cv2, "imread", real)
    assert near.thumbnails(tmp_path, images[:3], kept).shape == (3, 1024)  # another list, another file


def test_groups_join_over_a_chain_of_pairs():
    pairs = [near.NearPair(0, 1, 1.0), near.NearPair(1, 3, 1.0)]
    assert near.joined(["d", "b", "c", "a"], pairs) == ["a", "a", "c", "a"]
    assert near.largest(["a", "a", "c"]) == 2
