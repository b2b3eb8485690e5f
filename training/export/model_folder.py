"""Write the model folder: LiteRT file, Keras file, head weights, labels.json, and the first part of metrics.json."""

import hashlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import keras
import numpy as np
from tqdm import tqdm

from csss.inference.engine import Engine
from csss.inference.labels import DEFAULT_THRESHOLD, VIEWS, read_info
from csss.inference.preprocessing import preprocess
from csss.inference.scaling import calibrate
from training.data.dataset import CLASSES, Image
from training.data.findings import FINDINGS, TITLES
from training.export import quantise
from training.fitting import heads, network
from training.json_files import write_json
from training.measuring.evaluate import held_back, read_metrics
from training.run import HEIGHT, SEED, WIDTH, Run

PARITY_IMAGES = 256
PARITY_LIMIT = 1e-3
MODEL, HEAD, KERAS = "model.tflite", "head.npz", "model.keras"


class ParityFailed(Exception):
    """Keras and LiteRT disagree by more than the limit."""


def export(run: Run, data: Path, weights: str, activate: bool = False) -> dict[str, Any]:
    """Export the best epoch and return the record stored as `export.json`.

    Half-precision weights are used if no probability differs by more than 1e-3 from Keras, otherwise float32;
    raises `ParityFailed` if float32 differs by more. int8 is tried, and used only if `quantise.trial` says so.
    """
    trained, calibrated = run.read("train"), run.read("calibrate")
    head = keras.models.load_model(run.kept_file(trained), compile=False)
    if run.recipe.apart:
        _calibrate_findings(head, calibrated["findings"])
    elif "bias" in calibrated:
        output = head.get_layer("probabilities")
        kernel, bias = output.get_weights()
        output.set_weights([kernel, bias + calibrated["temperature"] * np.array(calibrated["bias"])])
    model = network.join(network.build_base(weights, WIDTH, HEIGHT), head, run.recipe)
    folder = run.model_folder
    folder.mkdir(parents=True, exist_ok=True)
    model.save(folder / KERAS)
    (folder / HEAD).write_bytes(heads.head_weights(head).to_bytes())
    sides = run.images()
    images = sides["val"]
    images = images[:: max(1, len(images) // PARITY_IMAGES)][:PARITY_IMAGES]
    tried: dict[str, dict[str, float]] = {}
    for precision in ("float16", "float32"):
        (folder / MODEL).write_bytes(network.to_litert(model, float16=precision == "float16"))
        _write_labels(run, trained, calibrated, precision)
        tried[precision] = parity(folder, model, data, images)
        if tried[precision]["max_probability_difference"] <= PARITY_LIMIT:
            break
    else:
        raise ParityFailed(f"LiteRT differs from Keras by more than {PARITY_LIMIT}: {tried}")
    content, eight = quantise.trial(
        model, read_info(folder), data, sides["train"], sides["val"], limit=PARITY_LIMIT
    )
    if eight["shipped"]:
        precision = "int8"
        (folder / MODEL).write_bytes(content)
        _write_labels(run, trained, calibrated, precision)
        tried[precision] = parity(folder, model, data, images)
    record = {
        "precision": precision,
        "int8": eight,
        "parity": {"images": len(images), "limit": PARITY_LIMIT, **tried},
        "bytes": {
            file.name: file.stat().st_size for file in sorted(folder.glob("*.*")) if file.suffix != ".json"
        },
    }
    run.write("export", record)
    write_json(
        folder / "metrics.json",
        {
            "version": run.version,
            "data": run.of_seed(SEED).read("split"),
            "training": trained,
            "calibration": calibrated,
            "export": record,
        },
    )
    if activate:
        (run.models / "ACTIVE").write_text(run.version + "\n", encoding="utf-8")
    return record


def _calibrate_findings(head: Any, fitted: dict[str, Any]) -> None:
    """Put slope and offset of each finding into the weights of the output."""
    layer, count = head.get_layer("findings"), len(FINDINGS)
    kernel, bias = (np.array(array) for array in layer.get_weights())
    slopes, offsets = np.array(fitted["slopes"]), np.array(fitted["offsets"])
    kernel[:, :count] *= slopes
    bias[:count] = bias[:count] * slopes + offsets
    layer.set_weights([kernel, bias])


def try_int8(folder: Path, data: Path) -> dict[str, Any]:
    """Run the int8 trial for a released model folder; store it in its metrics.json and leave the model file
    unchanged."""
    metrics = read_metrics(folder)
    model = network.load_model(folder / KERAS)
    learned, known = (held_back(data, metrics, side) for side in ("train", "val"))
    _, record = quantise.trial(model, read_info(folder), data, learned, known, limit=PARITY_LIMIT)
    metrics["export"]["int8"] = record
    write_json(folder / "metrics.json", metrics)
    return record


def _write_labels(run: Run, trained: dict[str, Any], calibrated: dict[str, Any], precision: str) -> None:
    folder = run.model_folder
    write_json(
        folder / "labels.json",
        {
            "version": run.version,
            "created": datetime.now(UTC).date().isoformat(),
            "input": {
                "width": WIDTH,
                "height": HEIGHT,
                "channels": 3,
                "resize": trained["resize"]["chosen"],
            },
            "temperature": calibrated["temperature"],
            **(_apart(calibrated) if run.recipe.apart else {}),
            "threshold": DEFAULT_THRESHOLD,
            "model": {"file": MODEL, "precision": precision, "sha256": _sha256(folder / MODEL)},
            "head": {"file": HEAD, "sha256": _sha256(folder / HEAD)},
            "labels": [
                {"name": label.name, "title": label.title, "explanation": label.explanation}
                for label in CLASSES
            ],
        },
    )


def _apart(calibrated: dict[str, Any]) -> dict[str, Any]:
    """What labels.json says of a network with a head for each kind of scan."""
    fitted = calibrated["findings"]
    return {
        "bias": {label.name: value for label, value in zip(CLASSES, calibrated["bias"], strict=True)},
        "views": list(VIEWS),
        "findings": [
            {
                "name": name,
                "title": TITLES[name],
                "threshold": fitted["thresholds"][name],
                "shown": name in fitted["shown"],
            }
            for name in FINDINGS
        ],
    }


def _sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def parity(folder: Path, model: Any, data: Path, images: list[Image]) -> dict[str, float]:
    """Largest and mean difference of a probability, before and after calibration, between Keras and the engine."""
    engine = Engine.load(folder)
    info = engine.info
    raw, scaled, agree = [], [], 0
    for start in tqdm(range(0, len(images), 16), desc="parity", unit="batch"):
        batch = np.stack(
            [
                preprocess((data / image.path).read_bytes(), info.width, info.height, info.resize)
                for image in images[start : start + 16]
            ]
        )
        wanted = model.predict(batch, verbose=0)[0].astype(np.float64)
        got = np.stack([engine.run(picture)[0] for picture in batch]).astype(np.float64)
        raw.append(np.abs(wanted - got))
        ours, theirs = (calibrate(each, info.temperature, info.bias) for each in (got, wanted))
        scaled.append(np.abs(theirs - ours))
        agree += int((wanted.argmax(axis=1) == got.argmax(axis=1)).sum())
    differences = np.concatenate([*raw, *scaled])
    return {
        "max_probability_difference": float(differences.max()),
        "mean_probability_difference": float(differences.mean()),
        "same_label": agree / len(images),
    }
