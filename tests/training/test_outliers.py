"""Pictures of something else: how far a scan may lie from those of its class."""

import numpy as np
import pytest

from csss.inference.outliers import Outliers
from training.fitting.outlier_score import REACH, candidates

pytestmark = pytest.mark.training
PATIENTS = [str(number) for number in range(800)]


def test_a_class_whose_pictures_vary_more_is_not_refused_more_often():
    random = np.random.default_rng(5)
    narrow, wide = random.normal(0, 1, (400, 8)), random.normal(0, 4, (400, 8)) + 40
    strata = ["Normal/chest_xray"] * 400 + ["Sick/cardiac_mri"] * 400
    scores = candidates(np.concatenate([narrow, wide]).astype(np.float32), strata, PATIENTS)[
        "mahalanobis"
    ].scores(
        np.concatenate([random.normal(0, 1, (400, 8)), random.normal(0, 4, (400, 8)) + 40]).astype(np.float32)
    )
    refused = scores > 1
    assert 0.2 * (1 - REACH) < refused[:400].mean() < 3 * (1 - REACH)
    assert 0.2 * (1 - REACH) < refused[400:].mean() < 3 * (1 - REACH)


def test_each_kind_of_scan_has_axes_of_its_own():
    random = np.random.default_rng(6)
    chests = random.normal(0, [1, 1, 1, 9], (300, 4))
    hearts = random.normal([0, 60, 0, 0], [9, 1, 1, 1], (300, 4))
    strata = ["Normal/chest_xray"] * 300 + ["Sick/cardiac_mri"] * 300
    found = candidates(np.concatenate([chests, hearts]).astype(np.float32), strata, PATIENTS[:600])[
        "mahalanobis"
    ]
    own = np.isnan(found.bank)
    assert (own[0] == ~own[1]).all() and own[0].sum() == own[1].sum() == 4
    usual, odd = found.scores(
        np.array([[0, 0, 0, 20], [20, 0, 0, 0]], np.float32)
    )  # wide and narrow for a chest
    assert usual < 1 < odd
    usual, odd = found.scores(np.array([[20, 60, 0, 0], [0, 60, 0, 20]], np.float32))  # the same of a heart
    assert usual < 1 < odd


def test_a_class_of_one_picture_refuses_no_other_and_breaks_nothing():
    random = np.random.default_rng(7)
    pooled = random.normal(0, 1, (201, 6)).astype(np.float32)
    found = candidates(pooled, ["Normal/chest_xray"] * 200 + ["Sick/cardiac_mri"], PATIENTS[:201])[
        "mahalanobis"
    ]
    back = Outliers.from_bytes(found.to_bytes())
    assert np.isfinite(back.scores(pooled)).all() and (back.scores(pooled) > 1).mean() < 0.1


def test_pictures_of_new_patients_are_not_refused_because_the_known_ones_are_few():
    """Each patient's pictures are alike, so those of a new one lie outside the spread of a patient."""
    random = np.random.default_rng(9)

    def hearts(patients, each=20):
        return np.repeat(random.normal(0, 3, (patients, 6)), each, axis=0) + random.normal(
            0, 1, (patients * each, 6)
        )

    learned = hearts(20).astype(np.float32)
    owners = [f"patient {number // 20}" for number in range(len(learned))]
    found = candidates(learned, ["Sick/cardiac_mri"] * len(learned), owners)["mahalanobis"]
    assert (found.scores(hearts(200).astype(np.float32)) > 1).mean() < 4 * (1 - REACH)
