"""Figures against values worked out by hand, and augmentation against its own promises."""

import numpy as np
import pytest

pytest.importorskip("tqdm", reason="the extra `train` is not installed")

from training.data.augment import augment, reduce_to
from training.measuring.evaluate import Read, differences
from training.measuring.intervals import paired, resamples
from training.measuring.metrics import (
    auroc,
    calibration_error,
    confusion,
    log_loss,
    macro,
    per_class,
    risk_coverage,
    selective,
)

pytestmark = pytest.mark.training


def test_per_class_figures():
    counts = confusion(np.array([0, 0, 0, 1, 1, 2]), np.array([0, 0, 1, 1, 1, 0]), 3)
    assert counts.tolist() == [[2, 1, 0], [0, 2, 0], [1, 0, 0]]
    first, second, third = per_class(counts)
    assert first == pytest.approx(
        {"precision": 2 / 3, "sensitivity": 2 / 3, "specificity": 2 / 3, "f1": 2 / 3, "support": 3}
    )
    assert second["f1"] == pytest.approx(0.8)
    assert third["precision"] == third["sensitivity"] == third["f1"] == 0
    assert macro([first, second, third])["f1"] == pytest.approx((2 / 3 + 0.8) / 3)


def test_calibration_error_of_a_model_that_is_always_sure_and_half_right():
    probabilities = np.tile([1.0, 0.0], (100, 1))
    truth = np.array([0, 1] * 50)
    assert calibration_error(truth, probabilities) == pytest.approx(0.5)
    assert calibration_error(np.zeros(100, np.int64), probabilities) == pytest.approx(0)


def test_log_loss():
    assert log_loss(np.array([0, 1]), np.array([[0.5, 0.5], [0.75, 0.25]])) == pytest.approx(
        (np.log(2) + np.log(4)) / 2
    )


def test_the_threshold_accepts_what_equals_it():
    probabilities = np.array([[0.75, 0.25], [0.7499, 0.2501], [0.1, 0.9], [0.9, 0.1]])
    read = Read(
        probabilities,
        probabilities,
        np.zeros((4, 1), np.float32),
        np.zeros((4, 1), np.float32),
        np.zeros(4, bool),
        np.zeros((4, 7, 7), np.float32),
    )
    got = selective(np.array([0, 0, 0, 0]), probabilities, read.accepted(0.75))
    assert got == pytest.approx({"acceptance_rate": 0.75, "error_accepted": 1 / 3, "error_all": 0.25})


def test_a_strange_picture_is_not_accepted_however_sure_the_network_is():
    probabilities = np.array([[0.99, 0.01], [0.99, 0.01]])
    read = Read(
        probabilities,
        probabilities,
        np.zeros((2, 1), np.float32),
        np.zeros((2, 1), np.float32),
        np.array([False, True]),
        np.zeros((2, 7, 7), np.float32),
    )
    assert read.accepted(0.75).tolist() == [True, False]


def test_auroc_by_hand():
    score = np.array([0.9, 0.8, 0.8, 0.1])
    assert auroc(np.array([True, True, False, False]), score) == pytest.approx((1 + 1 + 0.5 + 1) / 4)
    assert auroc(np.array([True, False, False, False]), -score) == 0
    assert np.isnan(auroc(np.array([True] * 4), score))


def test_risk_falls_with_coverage_when_confidence_is_right():
    probabilities = np.array([[0.9, 0.1], [0.8, 0.2], [0.7, 0.3], [0.6, 0.4]])
    assert risk_coverage(np.array([0, 0, 0, 1]), probabilities, points=4) == [
        [0.25, 0.0], [0.5, 0.0], [0.75, 0.0], [1.0, 0.25],
    ]  # fmt: skip


def test_patients_are_drawn_whole():
    groups = ["a", "a", "a", "b", "c"]
    for chosen in resamples(groups, draws=50):
        times = np.bincount(chosen, minlength=5)
        assert times[0] == times[1] == times[2]
        assert times[0] + times[3] + times[4] == 3


def test_a_paired_difference_of_equal_models_is_nought():
    got = paired(lambda chosen: (float(chosen.mean()), float(chosen.mean())), ["a", "b", "c"], 3)
    assert got["difference"] == 0
    assert got["interval"] == [0, 0]


def test_differences_name_the_place():
    assert differences({"a": [1, 0.5]}, {"a": [1, 0.5]}, 0) == []
    assert differences({"a": [1, 0.5]}, {"a": [1, 0.6]}, 0.2) == []
    assert differences({"a": [1, 0.5]}, {"a": [1, 0.6]}, 0) == ["test.a[1] is 0.6, metrics.json says 0.5."]
    assert differences({"a": 1}, {"b": 1}, 0)
    assert differences({"a": [1]}, {"a": [1, 2]}, 0)


@pytest.mark.parametrize("kind", ["paper", "csss"])
def test_augmentation_repeats_itself_and_differs_by_pass(kind):
    picture = np.random.default_rng(0).integers(0, 256, (64, 80, 3), dtype=np.uint8)

    def view(pass_number):
        return augment(picture, kind, size=(48, 48), resize="area", seed=42, pass_number=pass_number, index=5)

    assert (view(3) == view(3)).all()
    assert not np.allclose(view(3), view(4))
    assert view(3).shape == (48, 48, 3)
    assert view(3).dtype == np.float32
    assert 0 <= view(3).min() <= view(3).max() <= 1


@pytest.mark.parametrize(("kind", "share"), [("paper", 0.5), ("csss", 0.0)])
def test_the_papers_augmentation_flips_half_of_the_time_and_ours_never(kind, share):
    picture = np.zeros((101, 101, 3), np.uint8)
    picture[:, :45] = 255
    flipped = 0
    for index in range(200):
        view = augment(picture, kind, size=(101, 101), resize="area", seed=1, pass_number=0, index=index)
        assert view[50, 65:90].mean() != pytest.approx(view[50, 10:35].mean())
        flipped += view[50, 10, 0] < view[50, 90, 0]
    assert abs(flipped / 200 - share) < 0.15 if share else flipped == 0


def test_reducing_never_enlarges():
    picture = np.zeros((100, 60, 3), np.uint8)
    assert reduce_to(picture, 128) is picture
    assert reduce_to(picture, 50).shape == (50, 30, 3)
