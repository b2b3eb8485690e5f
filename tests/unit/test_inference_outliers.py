"""The outlier score: distances by hand, its file, and what the engine makes of it."""

import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

import csss
from csss.inference import Engine, ModelCorrupt
from csss.inference.labels import UNLIKE, default_folder
from csss.inference.outliers import Outliers

SCAN = sorted((Path(csss.__file__).parent / "demo" / "scans").glob("*.jpg"))[0]


@pytest.fixture(autouse=True)
def _no_model_from_the_environment(monkeypatch):
    monkeypatch.delenv("CSSS_MODEL", raising=False)


def plain(bank, neighbour=1, unit=False, channels=2):
    axes = np.asarray(bank).shape[1]
    return Outliers(
        np.zeros(channels, np.float32),
        np.eye(channels, axes, dtype=np.float32),
        np.asarray(bank, np.float32),
        neighbour,
        unit,
    )


def test_the_score_is_the_distance_to_the_nearest_entry():
    scores = plain([[0, 0], [10, 0]]).scores(np.array([[3, 4], [10, 1]], np.float32))
    assert scores == pytest.approx([5, 1])


def test_a_later_neighbour_may_count():
    assert plain([[0, 0], [10, 0]], neighbour=2).scores(np.array([[0, 0]], np.float32)) == pytest.approx([10])


def test_with_unit_length_only_the_direction_counts():
    outliers = plain([[1, 0]], unit=True)
    scores = outliers.scores(np.array([[7, 0], [0, 3], [0, 0]], np.float32))
    assert scores == pytest.approx([0, 2**0.5, 1])


def test_what_is_far_for_a_chest_may_be_near_for_a_heart():
    outliers = replace(plain([[0, 0], [10, 0]]), scale=np.array([1, 5], np.float32))
    assert outliers.scores(np.array([[0, 2], [10, 2]], np.float32)) == pytest.approx([2, 0.4])
    back = Outliers.from_bytes(outliers.to_bytes())
    assert back.scale.tolist() == [1, 5]
    for wrong in ([1], [1, 0], [1, np.nan], [1, np.inf]):
        with pytest.raises(ValueError, match="scales"):
            Outliers.from_bytes(replace(outliers, scale=np.array(wrong, np.float32)).to_bytes())


def test_an_entry_counts_on_the_axes_of_its_kind_only():
    outliers = plain([[3, np.nan], [np.nan, 7]])
    assert outliers.scores(np.array([[1, 100], [-50, 6]], np.float32)) == pytest.approx([2, 1])
    assert Outliers.from_bytes(outliers.to_bytes()).scores(np.array([[3, 9]], np.float32)) == pytest.approx(
        [0]
    )
    for nowhere in ([[3, np.nan], [np.nan, np.nan]], [[3, np.inf], [0, 7]]):
        with pytest.raises(ValueError, match="without any finite axis"):
            Outliers.from_bytes(plain(nowhere).to_bytes())


def test_the_file_gives_back_what_was_written():
    outliers = plain([[0.5, -2], [1, 4]], neighbour=2, unit=True)
    back = Outliers.from_bytes(outliers.to_bytes())
    assert (back.bank == outliers.bank).all()
    assert (back.neighbour, back.unit) == (2, True)
    with pytest.raises(ValueError, match="do not fit"):
        Outliers.from_bytes(plain([[0, 0]], neighbour=3).to_bytes())


def with_outliers(folder, threshold, outliers):
    source = default_folder()
    for name in ("labels.json", "model.tflite", "head.npz"):
        shutil.copy(source / name, folder / name)
    data = outliers.to_bytes()
    (folder / "strange.npz").write_bytes(data)
    labels = json.loads((folder / "labels.json").read_text())
    labels["outliers"] = {
        "file": "strange.npz", "sha256": hashlib.sha256(data).hexdigest(), "threshold": threshold,
    }  # fmt: skip
    (folder / "labels.json").write_text(json.dumps(labels))
    return folder


def nearby(scan):
    """A bank of one entry, the features of the scan itself."""
    engine = Engine.load()
    from csss.inference.preprocessing import preprocess

    info = engine.info
    compared = engine.run(preprocess(scan, info.width, info.height, info.resize)).compared
    return Outliers(
        compared, np.eye(len(compared), 64, dtype=np.float32), np.zeros((1, 64), np.float32), 1, False
    )


def test_a_strange_picture_is_uncertain_with_its_own_reason_and_keeps_its_probabilities(tmp_path):
    engine = Engine.load(with_outliers(tmp_path, 0.5, nearby(SCAN.read_bytes())), threshold=0.0)
    known = engine.predict(SCAN.read_bytes())
    assert known.outlier_score == pytest.approx(0, abs=1e-3)
    assert not known.uncertain
    done, page = cv2.imencode(".png", np.full((300, 300, 3), 240, np.uint8))
    assert done
    strange = engine.predict(page.tobytes())
    assert strange.outlier_score > 0.5
    assert strange.uncertain
    assert strange.label == "Uncertain"
    assert strange.reason == UNLIKE
    assert sum(strange.probabilities.values()) == pytest.approx(1)


def test_both_reasons_are_given(tmp_path):
    engine = Engine.load(with_outliers(tmp_path, -1, nearby(SCAN.read_bytes())), threshold=1.0)
    reason = engine.predict(SCAN.read_bytes()).reason
    assert reason.startswith(UNLIKE)
    assert "is below the threshold" in reason


def test_a_damaged_or_foreign_file_is_refused(tmp_path):
    folder = with_outliers(tmp_path, 1.0, plain([[0, 0]]))
    with pytest.raises(ModelCorrupt, match="outlier score"):
        Engine.load(folder)
    (folder / "strange.npz").write_bytes(b"x")
    with pytest.raises(ModelCorrupt, match="SHA-256"):
        Engine.load(folder)


def test_a_model_without_the_score_refuses_nothing(tmp_path):
    folder = with_outliers(tmp_path, 1.0, plain([[0, 0]]))
    labels = json.loads((folder / "labels.json").read_text())
    del labels["outliers"]
    (folder / "labels.json").write_text(json.dumps(labels))
    assert Engine.load(folder).predict(SCAN.read_bytes()).outlier_score is None
