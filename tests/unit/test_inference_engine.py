"""The engine on the shipped model: the threshold rule, the fields of a prediction, broken model folders."""

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

import csss
from csss.inference import Engine, ModelCorrupt, ModelMissing, UndecodableImage
from csss.inference.engine import uncertainty_reason
from csss.inference.labels import default_folder, read_info
from csss.inference.scaling import calibrate

SCANS = sorted((Path(csss.__file__).parent / "demo" / "scans").glob("*.jpg"))
ORDER = ("COVID", "Lung_Opacity", "NIH_MERGED", "Normal", "Sick", "Viral_Pneumonia")


@pytest.fixture(autouse=True)
def _no_model_from_the_environment(monkeypatch):
    monkeypatch.delenv("CSSS_MODEL", raising=False)


@pytest.fixture(scope="module")
def engine():
    return Engine.load()


@pytest.fixture
def folder(tmp_path):
    """A copy of the shipped model without the large Keras file."""
    source = default_folder()
    for file in source.iterdir():
        if file.suffix in {".json", ".tflite", ".npz"}:
            shutil.copy(file, tmp_path / file.name)
    return tmp_path


def test_labels_are_in_the_order_of_the_contract():
    info = read_info()
    assert info.names == ORDER
    assert info.threshold == 0.75
    assert info.input_size == "224x224x3"
    assert all(label.title and label.explanation.endswith(".") for label in info.labels)


def test_a_prediction_has_all_its_values(engine):
    result = engine.predict(SCANS[0].read_bytes())
    assert tuple(result.probabilities) == ORDER
    assert sum(result.probabilities.values()) == pytest.approx(1)
    assert result.confidence == max(result.probabilities.values())
    assert result.top_label == max(result.probabilities, key=result.probabilities.get)
    assert result.threshold_used == 0.75
    assert result.model_version == engine.info.version
    assert result.model_input_size == "224x224x3"
    assert result.latency_ms > 0
    assert result.heatmap is not None
    assert result.heatmap.shape == (7, 7)
    assert result.heatmap.dtype == np.float32
    assert 0 <= result.heatmap.min() <= result.heatmap.max() <= 1


def test_the_heat_map_is_left_out_when_not_wanted(engine):
    assert engine.predict(SCANS[0].read_bytes(), heatmap=False).heatmap is None


def test_the_same_picture_gives_the_same_answer(engine):
    data = SCANS[1].read_bytes()
    assert engine.predict(data).probabilities == Engine.load().predict(data).probabilities


def test_every_class_of_the_synthetic_scans_is_read_and_some_are_uncertain(engine):
    results = {file.name: engine.predict(file.read_bytes()) for file in SCANS}
    assert {name.rpartition("-")[0] for name in results} == set(ORDER)
    read = {r.label for name, r in results.items() if r.label == name.rpartition("-")[0]}
    assert read == set(ORDER)
    uncertain = [r for r in results.values() if r.uncertain]
    assert uncertain
    assert all(r.label == "Uncertain" and r.top_label in ORDER and r.reason for r in uncertain)


def test_synthetic_scans_are_small():
    assert sum(file.stat().st_size for file in SCANS) < 600_000


@pytest.mark.parametrize(
    ("confidence", "reason"),
    [
        (0.62, "The highest probability, 62 %, is below the threshold of 75 %."),
        (0.7497, "The highest probability, 74.97 %, is below the threshold of 75.00 %."),
        (0.74999999, "The highest probability, 74.99 %, is below the threshold of 75.00 %."),
        (0.75, None),
        (0.99, None),
    ],
)
def test_below_the_threshold_is_uncertain_and_equal_is_not(confidence, reason):
    assert uncertainty_reason(confidence, 0.75) == reason


def test_the_threshold_may_be_set_and_is_kept(engine):
    data = SCANS[0].read_bytes()
    confidence = engine.predict(data).confidence
    assert not Engine.load(threshold=confidence).predict(data).uncertain
    strict = Engine.load(threshold=np.nextafter(confidence, 2)).predict(data)
    assert strict.uncertain
    assert strict.threshold_used > confidence
    with pytest.raises(ValueError, match="between 0 and 1"):
        Engine.load(threshold=1.5)


def test_temperature_keeps_the_order_and_changes_the_confidence():
    raw = np.array([[0.7, 0.2, 0.1], [1.0, 0.0, 0.0]])
    assert calibrate(raw, 1.0)[0] == pytest.approx(raw[0])
    soft = calibrate(raw, 2.0)
    assert soft[0].tolist() == sorted(soft[0].tolist(), reverse=True)
    assert soft[0, 0] < 0.7 < calibrate(raw, 0.5)[0, 0]
    assert np.isfinite(soft).all()
    assert soft.sum(axis=1) == pytest.approx(1)


def test_a_picture_that_is_none_is_named(engine):
    with pytest.raises(UndecodableImage):
        engine.predict(b"%PDF-1.7 no picture")


@pytest.mark.parametrize("shape", [(64, 64), (3000, 200), (200, 3000), (1, 1)])
def test_odd_sizes_are_read(engine, shape):
    done, data = cv2.imencode(".png", np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8))
    assert done
    assert engine.predict(data.tobytes()).confidence > 0


def test_an_empty_folder_is_no_model(tmp_path):
    with pytest.raises(ModelMissing, match="CSSS_MODEL"):
        Engine.load(tmp_path)


def test_the_folder_can_come_from_the_environment(folder, monkeypatch):
    monkeypatch.setenv("CSSS_MODEL", str(folder))
    assert Engine.load().info.folder == folder


@pytest.mark.parametrize("name", ["model.tflite", "head.npz"])
def test_one_flipped_bit_is_found(folder, name):
    data = bytearray((folder / name).read_bytes())
    data[len(data) // 2] ^= 1
    (folder / name).write_bytes(bytes(data))
    with pytest.raises(ModelCorrupt, match="SHA-256"):
        Engine.load(folder)


@pytest.mark.parametrize("name", ["model.tflite", "head.npz"])
def test_a_missing_file_is_named(folder, name):
    (folder / name).unlink()
    with pytest.raises(ModelMissing, match=name):
        Engine.load(folder)


@pytest.mark.parametrize(
    "change",
    [
        {
            "labels": [
                {"name": "A", "title": "A", "explanation": "A."},
                {"name": "B", "title": "B", "explanation": "B."},
            ]
        },
        {"input": {"width": 96, "height": 96, "channels": 3, "resize": "area"}},
        {"input": {"width": 224, "height": 224, "channels": 3, "resize": "magic"}},
        {"temperature": 0},
        {"threshold": 1.2},
        {"version": None, "labels": None},
    ],
)
def test_labels_that_do_not_fit_the_network_are_refused(folder, change):
    file = folder / "labels.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    with pytest.raises(ModelCorrupt, match=r"training export"):
        Engine.load(folder)


def test_a_file_that_is_no_network_is_refused_with_a_sentence(folder):
    import hashlib

    (folder / "model.tflite").write_bytes(b"not a network")
    raw = json.loads((folder / "labels.json").read_text())
    raw["model"]["sha256"] = hashlib.sha256(b"not a network").hexdigest()
    (folder / "labels.json").write_text(json.dumps(raw))
    with pytest.raises(ModelCorrupt, match="cannot be loaded"):
        Engine.load(folder)


def test_broken_json_is_refused(folder):
    (folder / "labels.json").write_text('{"version": ')
    with pytest.raises(ModelCorrupt, match=r"labels\.json"):
        Engine.load(folder)


def test_neither_flask_nor_tensorflow_nor_the_database_is_imported():
    import ast

    root = Path(csss.__file__).parent
    for file in (root / "inference").glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            for name in names:
                assert name.partition(".")[0] not in {
                    "flask",
                    "sqlalchemy",
                    "tensorflow",
                    "keras",
                    "training",
                }, file
                assert not name.startswith("csss.") or name.startswith(
                    ("csss.inference", "csss.paths", "csss.config", "csss.picture_formats")
                ), file


def test_reading_the_labels_does_not_load_the_network_or_opencv():
    import subprocess
    import sys

    code = (
        "import sys; from csss.inference.labels import read_info; read_info();"
        "print([m for m in ('cv2', 'ai_edge_litert') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
