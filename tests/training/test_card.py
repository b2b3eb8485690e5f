"""What the card says: worst mistakes, calibration with intervals, other body parts, CLAIM point by point."""

import json
import re
from importlib.util import find_spec

import numpy as np
import pytest

pytest.importorskip("tqdm", reason="the extra `train` is not installed")

from csss.inference.labels import read_info
from csss.paths import MODELS
from training.data.dataset import Image
from training.export.model_card import model_card
from training.measuring.evaluate import Read, Side
from training.measuring.installed_pictures import DICOM, found
from training.measuring.intervals import calibration_figures
from training.measuring.mistakes import central_share, hottest_place, record, worst
from training.measuring.other_pictures import note
from training.measuring.scaling import as_trained, with_bias
from training.measuring.subgroups import people

pytestmark = pytest.mark.training
ACTIVE = MODELS / (MODELS / "ACTIVE").read_text("utf-8").strip()


@pytest.fixture(scope="module")
def metrics():
    return json.loads((ACTIVE / "metrics.json").read_text("utf-8"))


@pytest.fixture(scope="module")
def card(metrics):
    return model_card(read_info(ACTIVE), metrics)


def side():
    """Six images of four patients; the third to sixth are read wrongly, with rising confidence."""
    labels = ["COVID", "COVID", "Sick", "Sick", "Sick", "Normal"]
    images = [
        Image(f"{number}.png", label, "made up", group, 128)
        for number, (label, group) in enumerate(zip(labels, ["a", "b", "c", "c", "c", "d"], strict=True))
    ]
    after = np.full((6, 6), 0.02)
    after[:, 0] = [0.9, 0.8, 0.6, 0.7, 0.8, 0.75]
    heat = np.zeros((6, 7, 7), np.float32)
    heat[:, 0, 0] = 1
    heat[4] = 1
    truth = np.array([0, 0, 4, 4, 4, 3])
    strange = np.zeros(6, bool)
    return Side(
        images,
        truth,
        Read(after, after, np.zeros((6, 4), np.float32), np.zeros((6, 2), np.float32), strange, heat),
    )


def test_the_worst_mistakes_are_the_surest_ones_one_a_patient():
    assert worst(side()) == [4, 5]
    assert worst(side(), count=1) == [4]
    found_ = record(read_info(ACTIVE), side(), worst(side()))
    assert (found_["wrong"], found_["wrong_accepted"]) == (4, 2)
    first, second = found_["worst"]
    assert (first["true"], first["predicted"], first["same_patient"]) == ("Sick", "COVID", 2)
    assert first["heat_in_centre"] == pytest.approx(0.36, abs=0.01)  # hot everywhere: the share of the area
    assert second["hottest"] == "top left"
    assert second["heat_in_centre"] == pytest.approx(0, abs=0.001)


def test_where_the_heat_lies():
    centre = np.zeros((7, 7), np.float32)
    centre[3, 3] = 1
    assert central_share(centre) == pytest.approx(1)
    assert hottest_place(centre) == "centre"
    corner = np.zeros((7, 7), np.float32)
    corner[6, 6] = 1
    assert central_share(corner) == pytest.approx(0, abs=0.001)
    assert hottest_place(corner) == "bottom right"
    assert np.isnan(central_share(np.zeros((7, 7), np.float32)))


def test_calibration_is_measured_before_and_after_with_intervals():
    random = np.random.default_rng(2)
    after = random.dirichlet([0.6, 0.6, 0.6], size=4000)
    truth = (random.random((4000, 1)) > after.cumsum(axis=1)).sum(axis=1).clip(0, 2)
    sure = after**3 / (after**3).sum(axis=1, keepdims=True)
    got = calibration_figures(truth, sure, after, [str(number) for number in range(4000)])
    assert got["bins"] == len(got["reliability_before"]) == len(got["reliability_after"]) == 15
    assert got["ece_after"] < 0.03 < 0.08 < got["ece_before"]
    for key in ("before", "after"):
        low, high = got[f"ece_{key}_interval"]
        assert low < high
    assert got["ece_after_interval"][1] < got["ece_before_interval"][0]


def test_class_biases_can_be_taken_out_of_the_shipped_network_again():
    random = np.random.default_rng(3)
    trained = random.dirichlet(np.ones(6), size=50)
    bias = random.normal(size=6)
    shipped = with_bias(trained, 0.8, bias)
    calibration = {"temperature": 0.8, "bias": bias.tolist()}
    assert np.abs(as_trained(shipped, calibration) - trained).max() < 1e-9
    assert as_trained(shipped, {"temperature": 0.8}) is shipped


def test_claim_is_answered_point_by_point(card):
    rows = re.findall(r"^\| (\d+) \| ([^|]+) \| ([^|]+) \|$", card, re.MULTILINE)
    assert [int(number) for number, _, _ in rows] == list(range(1, 43))
    assert all(asked.strip() and answer.strip() for _, asked, answer in rows)


def test_the_card_tells_what_a_radiologist_must_know(card, metrics):
    for heading in (
        "In short", "Intended use", "Data", "Figures on the held-back images", "The worst mistakes",
        "Shortcut audit", "Pictures of something else", "Known biases and limits", "CLAIM checklist",
    ):  # fmt: skip
        assert f"## {heading}\n" in card
    assert "196,710" in card
    assert "CC BY-NC-SA 4.0" in card
    assert "Not for clinical use without prospective validation" in card
    weakest = min(metrics["test"]["per_class"].items(), key=lambda each: each[1]["sensitivity"])
    assert f"weakest class is {weakest[0]}" in card
    int8 = metrics["export"]["int8"]
    assert ("That is what is shipped" if int8["shipped"] else "Not shipped, because") in card
    beside = metrics["audit"]["beside"]["as stored"]["figures"]
    for name, row in metrics["test"]["per_class"].items():
        assert f"{row['sensitivity']:.3f} / {beside['per_class'][name]['sensitivity']:.3f}" in card
    assert f"{metrics['test']['macro']['auroc']:.3f} / {beside['macro']['auroc']:.3f}" in card


def test_other_body_parts_are_tried_where_their_packages_are_installed():
    kinds = {}
    for kind, picture in found():
        kinds[kind] = kinds.get(kind, 0) + 1
        assert picture.dtype == np.uint8 and picture.ndim == 3 and picture.shape[2] == 3
    if find_spec("data_store") is None or find_spec("pydicom") is None:
        assert not set(kinds) & set(DICOM)
        assert "were not installed" in note(kinds)
        pytest.skip("pydicom-data (extra `trial`) is not installed")
    assert set(kinds) >= set(DICOM)
    assert "pydicom-data" in note(kinds)


def test_accuracy_by_person_is_told_only_where_the_person_is_known(tmp_path):
    assert people(tmp_path, side()) is None
    (tmp_path / "nih_findings.csv").write_text(
        "path,patient_age,patient_sex,view_position\n0.png,70,F,PA\n2.png,30,F,AP\n5.png,,M,PA\n"
    )
    got = people(tmp_path, side())
    assert got["women"] == {"images": 2, "accuracy": 0.5}
    assert got["men"] == {"images": 1, "accuracy": 0.0}
    assert got["65 years and over"]["images"] == 1
    assert got["under 40 years"] == {"images": 1, "accuracy": 0.0}
