"""A training on a handful of drawn pictures, by the commands of the README: killed, gone on with, and finished."""

import csv
import hashlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="the extra `train` is not installed")

import keras

from csss.inference import Engine
from csss.paths import ROOT
from training.data.dataset import LABELS

pytestmark = [pytest.mark.training, pytest.mark.slow, pytest.mark.timeout(1500)]

EACH = 10


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Ten pictures a class, each class with a pattern of its own; every second group has two pictures."""
    folder, random = tmp_path_factory.mktemp("data"), np.random.default_rng(4)
    rows = []
    for number, label in enumerate(LABELS):
        (folder / label).mkdir()
        for index in range(EACH):
            y, x = np.mgrid[0:96, 0:96]
            wave = 120 + 90 * np.sin((x * (number + 1) + y * (6 - number)) / 14 + index)
            picture = np.clip(wave + random.normal(0, 12, (96, 96)), 0, 255).astype(np.uint8)
            file = folder / label / f"{index}.png"
            cv2.imwrite(str(file), picture)
            group = (
                f"{'acdc-' if label == 'Sick' else ''}{label}-{index // 2 * 2 if index % 4 < 2 else index}"
            )
            digest = hashlib.sha256(file.read_bytes()).hexdigest()
            rows.append([f"{label}/{index}.png", label, "drawn", group, 96, 96, digest])
    with (folder / "manifest.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["path", "label", "source", "group", "native_width", "native_height", "sha256"])
        writer.writerows(rows)
    return folder


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    file = tmp_path_factory.mktemp("weights") / "base.weights.h5"
    keras.utils.set_random_seed(1)
    keras.applications.MobileNetV2(weights=None, include_top=False, input_shape=(224, 224, 3)).save_weights(
        file
    )
    return file


def command(data: Path, weights: Path, place: Path, *step: str) -> list[str]:
    return [
        sys.executable, "-m", "training", "--data", str(data), "--weights", str(weights), "--version", "paper-9",
        "--runs", str(place / "runs"), "--models", str(place / "models"), *step,
    ]  # fmt: skip


def run(data, weights, place, *step):
    done = subprocess.run(
        command(data, weights, place, *step),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def test_a_killed_training_goes_on_and_all_artefacts_lie_in_one_folder(data, weights, tmp_path):
    run(data, weights, tmp_path, "split")
    record, epochs = tmp_path / "runs" / "paper-9" / "train.json", tmp_path / "runs" / "paper-9" / "epochs"
    training = subprocess.Popen(
        command(data, weights, tmp_path, "train", "--resize", "area"),
        cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=os.environ,
    )  # fmt: skip
    deadline = time.monotonic() + 600
    while not (record.is_file() and len(json.loads(record.read_text())["history"]) >= 2):
        assert training.poll() is None and time.monotonic() < deadline, "it ended before it could be killed"
        time.sleep(0.05)
    training.kill()
    training.wait()
    before = json.loads(record.read_text())
    assert not before["finished"]
    first = {file.name: file.stat().st_mtime_ns for file in epochs.iterdir()}
    passes = {file: file.stat().st_mtime_ns for file in (record.parent / "features").glob("*-0.npy")}
    kept = len(before["history"])

    run(data, weights, tmp_path, "all")  # the one command; it goes on
    after = json.loads(record.read_text())
    assert after["finished"]
    assert after["history"][:kept] == before["history"]
    assert all((epochs / name).stat().st_mtime_ns == made for name, made in sorted(first.items())[:kept])
    assert passes and all(file.stat().st_mtime_ns == made for file, made in passes.items())
    made = {file.name for file in (tmp_path / "models" / "paper-9").iterdir()}
    assert made >= {
        "model.tflite", "model.keras", "head.npz", "outliers.npz", "labels.json", "metrics.json", "MODEL_CARD.md",
        "confusion.png", "learning.png", "reliability.png", "coverage.png",
    }  # fmt: skip
    left = {file.name for file in record.parent.iterdir()}
    assert left >= {
        "split.csv",
        "split.json",
        "calibrate.json",
        "export.json",
        "outliers.json",
        "mistakes.csv",
    }
    metrics = json.loads((tmp_path / "models" / "paper-9" / "metrics.json").read_text())
    assert {"test", "validation", "mistakes", "audit", "calibration", "export"} <= set(metrics)
    assert metrics["export"]["int8"]["images"] == metrics["data"]["sides"]["val"]
    assert {"ece_before_interval", "ece_after_interval"} <= set(metrics["calibration"]["val"])
    result = Engine.load(tmp_path / "models" / "paper-9").predict((data / "COVID" / "0.png").read_bytes())
    assert result.model_version == "paper-9"
    assert sum(result.probabilities.values()) == pytest.approx(1)
