"""Figures against values worked out by hand, and augmentation against its own promises."""

import numpy as np
import pytest

pytest.importorskip("tqdm", reason="the extra `train` is not installed")

from training.augment import augment
from training.evaluate import differences
from training.metrics import calibration_error, confusion, log_loss, macro, per_class, selective

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
    got = selective(np.array([0, 0, 0, 0]), probabilities, 0.75)
    assert got == pytest.approx(
        {"threshold": 0.75, "acceptance_rate": 0.75, "error_accepted": 1 / 3, "error_all": 0.25}
    )


def test_differences_name_the_place():
    assert differences({"a": [1, 0.5]}, {"a": [1, 0.5]}, 0) == []
    assert differences({"a": [1, 0.5]}, {"a": [1, 0.6]}, 0.2) == []
    assert differences({"a": [1, 0.5]}, {"a": [1, 0.6]}, 0) == ["test.a[1] is 0.6, metrics.json says 0.5."]
    assert differences({"a": 1}, {"b": 1}, 0)
    assert differences({"a": [1]}, {"a": [1, 2]}, 0)


def test_augmentation_repeats_itself_and_differs_by_pass():
    picture = np.random.default_rng(0).random((64, 64, 3), np.float32)
    assert (augment(picture, 42, 3, 5) == augment(picture, 42, 3, 5)).all()
    assert not np.allclose(augment(picture, 42, 3, 5), augment(picture, 42, 4, 5))
    view = augment(picture, 42, 3, 5)
    assert view.shape == picture.shape
    assert view.dtype == np.float32
    assert 0 <= view.min() <= view.max() <= 1


def test_augmentation_keeps_the_centre_and_flips_half_of_the_time():
    picture = np.zeros((101, 101, 3), np.float32)
    picture[:, :45] = 1
    flipped = 0
    for index in range(200):
        view = augment(picture, 1, 0, index)
        assert view[50, 60:90].mean() != pytest.approx(view[50, 10:40].mean())
        flipped += view[50, 10, 0] < view[50, 90, 0]
    assert 70 < flipped < 130
