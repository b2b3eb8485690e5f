"""Additional images: the old ones keep their sides, patients stay together, readers go before a program."""

import csv
from pathlib import Path

import numpy as np
import pytest

from training.data.collection import FAULTY, LATERAL, gather, more_folder
from training.data.dataset import LABELS, DataMissing, Image, data_folder
from training.data.findings import FINDINGS, NIH_FINDINGS, UNKNOWN, findings, reading, views
from training.data.split import split
from training.fitting.drawn import drawn
from training.fitting.unread import shared

pytestmark = pytest.mark.training
COLUMNS = ["path", "label", "source", "group", "native_width", "native_height", "sha256"]
SAID = [
    "path",
    "nih_finding_labels",
    "patient_age",
    "patient_sex",
    "view_position",
    "rsna_class",
    "google_airspace_opacity",
]


def write(file: Path, columns: list[str], rows: list[tuple[str, ...]]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([columns, *rows])


def row(path: str, label: str, group: str, *more: str) -> tuple[str, ...]:
    return (path, label, "source", group, "256", "256", "0", *more)


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """A data folder of 60 patients, and additional images of each kind."""
    data, more = tmp_path / "data", tmp_path / "more"
    write(
        data / "manifest.csv",
        COLUMNS,
        [row(f"{number}.jpg", "COVID", f"nih-{number}") for number in range(60)],
    )
    write(
        more / "new_patients.csv",
        COLUMNS,
        [row(f"new/{number}.jpg", "Normal", f"nih-9{number}") for number in range(40)]
        + [row("new/side.jpg", LATERAL, "nih-3"), row("new/other-side.jpg", LATERAL, "nih-93")],
    )
    write(more / "same_patients.csv", COLUMNS, [row("same/7.jpg", "COVID", "nih-7")])
    write(
        more / "sharper.csv",
        [*COLUMNS, "replaces"],
        [row(f"sharp/{n}.jpg", "COVID", f"nih-{n}", f"{n}.jpg") for n in range(60)],
    )
    write(more / "group_links.csv", ["set", "path", "group", "nih_image", "correlation"], [])
    return data, more


def test_the_old_images_keep_their_sides(folders: tuple[Path, Path]) -> None:
    data, more = folders
    alone, together = gather(data), gather(data, more=more)
    assert together.of("test", "old") == alone.of("test")  # as stored: figures stay comparable
    for side in ("train", "val"):
        assert {image.group for image in together.of(side, "old")} == {
            image.group for image in alone.of(side)
        }
        assert all("sharp/" in image.path for image in together.of(side, "old"))
    assert set(together.sharper) == {image.path for image in alone.of("test")}


def test_new_patients_are_divided_apart_and_nobody_is_on_two_sides(folders: tuple[Path, Path]) -> None:
    data, more = folders
    found = gather(data, more=more)
    counts = {
        side: len([i for i in found.of(side, "new") if i.label == "Normal"])
        for side in ("train", "val", "test")
    }
    assert counts == {"train": 28, "val": 6, "test": 6}
    side_of = {}
    for image in found.images:
        assert side_of.setdefault(image.group, found.sides[image.path]) == found.sides[image.path]
    assert not any(image.label == LATERAL for side in counts for image in found.of(side))


def test_without_further_images_nothing_changes(
    folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    data, more = folders
    found = gather(data)
    assert found.sides == split(found.images) and not found.sharper
    assert more_folder(data) == more
    monkeypatch.setenv("CSSS_MORE", str(data))
    assert more_folder(data) is None


def test_the_real_additional_images_fit_the_real_data() -> None:
    try:
        data = data_folder()
    except DataMissing:
        pytest.skip("the data folder is not here")
    more = more_folder(data)
    if more is None:
        pytest.skip("the additional images are not here")
    found = gather(data, more=more)
    assert all((data / image.path).is_file() for image in found.images)
    assert not set(FAULTY) & {image.path for image in found.images}
    assert len(found.of("test", "old")) >= 1264
    assert (findings(found.of("test", "new"), data)[:, 0] != UNKNOWN).sum() > 800


def test_a_reader_is_believed_before_the_program(folders: tuple[Path, Path]) -> None:
    data, more = folders
    write(
        more / "new_patients_findings.csv",
        SAID,
        [
            ("new/0.jpg", "Edema|Effusion", "50", "F", "AP", "Normal", ""),
            ("new/1.jpg", "No Finding", "50", "F", "PA", "Lung Opacity", ""),
            ("new/2.jpg", "No Finding", "50", "F", "PA", "", ""),
        ],
    )
    images = [Image(f"../more/new/{n}.jpg", "NIH_MERGED", "s", f"nih-9{n}", 256) for n in range(3)]
    known = findings(images, data)
    assert (known[0, : len(NIH_FINDINGS)] == 0).all()  # read as normal, whatever the report said
    assert list(known[:, FINDINGS.index("No_Finding")]) == [1, 0, 1]
    assert reading({"rsna_class": "", "google_airspace_opacity": "YES"}) == "opacity"
    assert reading({"rsna_class": "No Lung Opacity / Not Normal", "google_airspace_opacity": ""}) == "other"


def test_an_unread_image_is_an_opacity_as_often_as_read_ones_like_it(tmp_path: Path) -> None:
    data = tmp_path / "data"
    rows, images = [], []
    for number in range(90):
        read = ("Normal", "Lung Opacity", "No Lung Opacity / Not Normal")[number % 3]
        label = "Pneumonia" if read == "Lung Opacity" else "No Finding"
        rows.append((f"{number}.jpg", label, "50", "F", "PA", read, ""))
        images.append(
            Image(
                f"{number}.jpg",
                "Lung_Opacity" if label == "Pneumonia" else "NIH_MERGED",
                "s",
                f"nih-{number}",
                9,
            )
        )
    for number, label in ((90, "Pneumonia"), (91, "No Finding")):
        rows.append((f"{number}.jpg", label, "50", "F", "PA", "", ""))
        images.append(Image(f"{number}.jpg", "NIH_MERGED", "s", f"nih-{number}", 9))
    write(data / "nih_findings.csv", SAID, rows)
    classes = np.array([[label == image.label for label in LABELS] for image in images], np.float32)
    moved = shared(images, classes, data)
    assert (moved[:90] == classes[:90]).all()  # what was read stays
    opacity = LABELS.index("Lung_Opacity")
    assert moved[90, opacity] > 0.7 and moved[91, opacity] < 0.15
    assert np.allclose(moved.sum(axis=1), 1)


def test_every_picture_is_of_one_view(tmp_path: Path) -> None:
    images = [
        Image("a", "Normal", "s", "acdc-patient070", 1),
        Image("b", "COVID", "s", "crd-1", 1),
        Image("c", LATERAL, "s", "nih-1", 1),
        *drawn(tmp_path / "drawn", "val")[:1],
    ]
    assert views(images).argmax(axis=1).tolist() == [2, 0, 1, 3]


def test_drawn_pictures_to_learn_from_are_not_those_that_measure(tmp_path: Path) -> None:
    from training.measuring.other_pictures import outsiders

    learned = {Path(image.path).read_bytes() for side in ("train", "val") for image in drawn(tmp_path, side)}
    assert len(learned) > 200
    import cv2

    measured = {
        cv2.imencode(".png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))[1].tobytes()
        for kind, picture in outsiders()
    }
    shared_ones = learned & measured
    assert len(shared_ones) <= 8  # plain grey squares are the same whoever draws them
