"""Synthetic pictures: nothing of one patient alone comes through, and a copy is recognised."""

import cv2
import numpy as np
import pytest

pytest.importorskip("tqdm", reason="the extra `train` is not installed")

from training.data.dataset import Image
from training.experiments.eigenscans import PATIENTS, SIDE, EigenScans, alike
from training.experiments.synthetic_scans import Neighbours, finish

pytestmark = [pytest.mark.training, pytest.mark.slow]


@pytest.fixture(scope="module")
def pictures():
    """As many smooth pictures as a model is made of, alike in the large and different in the small."""
    random = np.random.default_rng(1)
    common = cv2.resize(random.random((5, 5), np.float32), (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
    own = [
        cv2.resize(random.random((12, 12), np.float32), (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
        for _ in range(PATIENTS)
    ]
    return np.stack([np.clip(40 + 100 * common + 50 * row, 0, 255).astype(np.uint8) for row in own])


@pytest.fixture
def images():
    return [
        Image(f"{number}.jpg", "COVID", "made up", f"patient-{number}", 256) for number in range(PATIENTS)
    ]


def test_the_writing_on_one_picture_is_in_no_drawing(pictures):
    marked = pictures.copy()
    cv2.putText(marked[7], "NAME 1234", (30, 130), cv2.FONT_HERSHEY_SIMPLEX, 1.2, (255,), 4)
    writing = marked[7].astype(int) - pictures[7] > 60
    around = cv2.dilate(writing.astype(np.uint8), np.ones((15, 15))).astype(bool) & ~writing
    assert writing.sum() > 1000
    family = EigenScans.of(marked)
    random = np.random.default_rng(2)
    drawings = [family.draw(random.normal(size=family.rank)) for _ in range(40)]
    contrast = [abs(float(row[writing].mean() - row[around].mean())) for row in drawings]
    assert marked[7][writing].mean() - marked[7][around].mean() > 60
    assert max(contrast) < 6


def test_drawings_differ_and_are_pictures(pictures):
    family = EigenScans.of(pictures)
    random = np.random.default_rng(3)
    first, second = (family.draw(random.normal(size=family.rank)) for _ in range(2))
    assert first.shape == (SIDE, SIDE)
    assert 0 <= first.min() <= first.max() <= 255
    assert np.abs(first - second).mean() > 3


def test_a_copy_is_over_the_limit_and_a_drawing_is_not(pictures, images):
    neighbours = Neighbours(pictures, images)
    assert not neighbours.nearest(pictures[3].astype(np.float32)).below(neighbours.limit)
    assert neighbours.nearest(pictures[3].astype(np.float32)).whole == pytest.approx(1, abs=1e-4)


def test_a_family_has_one_picture_of_each_patient(pictures, images):
    twice = np.concatenate([pictures, pictures])
    chosen = alike(twice, [*images, *images], 5)
    assert len(chosen) == PATIENTS
    assert len({number % PATIENTS for number in chosen}) == PATIENTS


@pytest.mark.parametrize("grey", [0, 128, 255])
def test_the_words_can_be_read_in_the_picture(grey):
    drawn = finish(np.full((128, 128), grey, np.float32), 128)
    picture = cv2.imdecode(np.frombuffer(drawn, np.uint8), cv2.IMREAD_GRAYSCALE)
    assert picture.shape == (512, 512)
    words = picture[-26:, :240]
    assert int(words.max()) - int(words.min()) > 180  # light letters in a dark outline, on whatever is behind
