"""Measure what each part of the additional images brings: linear probes on the pooled features of a released network.

The network has learned from none of the additional images. A probe is a ridge regression of all labels on the standardised
features; it is fitted on the training images of growing sets, and measured on the same validation images each time.
"""

from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from csss.inference import Engine
from csss.inference.labels import NO_FINDING
from training.data.collection import NEW, gather, more_folder
from training.data.dataset import DataMissing, Image
from training.data.findings import FINDINGS, NIH_FINDINGS, UNKNOWN, findings, key, said_of
from training.fitting.epochs import areas_of
from training.measuring.evaluate import read_all, stored
from training.measuring.metrics import auroc
from training.run import Run

RIDGE: Final = 0.3
SAME: Final = "same_patients/"

Features = NDArray[np.float64]


def additions(run: Run, data: Path, engine: Engine) -> dict[str, Any]:
    """The record `additions.json`: by set of training images the validation AUROC of no finding, of the fourteen findings
    (mean), of opacity against the rest of NIH, and of sick hearts. Raises `DataMissing` without the additional images."""
    more = more_folder(data)
    if more is None:
        raise DataMissing(f"There are no additional images beside {data}. Name their folder with CSSS_MORE.")
    together, alone = gather(data, more=more), gather(data)
    kept = {image.group for image in together.of("train", "old")}
    as_stored = [image for image in alone.of("train") if image.group in kept]
    learned = {
        "data folder as stored": as_stored,
        "sharper copies instead": together.of("train", "old"),
        "and images of the same patients": [
            image for image in together.of("train") if image.part != NEW or SAME in image.path
        ],
        "and new patients": together.of("train"),
    }
    judged = together.of("val")
    pooled = _pooled(
        run, engine, data, {image.path: image for rows in (*learned.values(), judged) for image in rows}
    )
    record: dict[str, Any] = {"network": engine.info.version, "validation_images": len(judged), "sets": {}}
    for name, images in learned.items():
        record["sets"][name] = _measured(pooled, images, judged, data, findings(images, data))
    whole = learned["and new patients"]
    record["sets"]["with the text miner's labels alone"] = _measured(
        pooled, whole, judged, data, mined(whole, data)
    )
    run.write("additions", record)
    return record


def mined(images: list[Image], data: Path) -> NDArray[np.float32]:
    """The labels of `findings` as if no radiologist had read an image."""
    known, said = findings(images, data), said_of(data)
    for row, image in zip(known, images, strict=True):
        if row[0] != UNKNOWN:
            named = said[key(image)]["nih_finding_labels"].split("|")
            row[: len(FINDINGS)] = [*(name in named for name in NIH_FINDINGS), named == ["No Finding"]]
    return known


def _pooled(run: Run, engine: Engine, data: Path, images: dict[str, Image]) -> dict[str, NDArray[np.float32]]:
    """Pooled features by path, kept in the run's folder."""
    file = run.features / f"probe-{engine.info.model_sha256[:12]}.npz"
    if not file.is_file():
        rows = list(images.values())
        features = read_all(engine, stored(data, rows, "features for probes")).pooled
        file.parent.mkdir(parents=True, exist_ok=True)
        np.savez(file, paths=np.array([image.path for image in rows]), features=features)
    with np.load(file) as arrays:
        return dict(zip(arrays["paths"].tolist(), arrays["features"], strict=True))


def _measured(
    pooled: dict[str, NDArray[np.float32]],
    learned: list[Image],
    judged: list[Image],
    data: Path,
    known: NDArray[np.float32],
) -> dict[str, Any]:
    truth = findings(judged, data)
    rows = known[:, 0] != UNKNOWN
    said = _probe(_features(pooled, learned)[rows], known[rows, : len(FINDINGS)], _features(pooled, judged))
    areas = areas_of(truth, said)
    none = areas.pop(NO_FINDING)
    return {
        "images": len(learned),
        "with_findings": int(rows.sum()),
        "no_finding": none,
        "findings": float(np.mean(list(areas.values()))),
        "opacity": _pair(pooled, learned, judged, "Lung_Opacity", "NIH_MERGED"),
        "sick_heart": _pair(pooled, learned, judged, "Sick", "Normal"),
    }


def _pair(
    pooled: dict[str, NDArray[np.float32]], learned: list[Image], judged: list[Image], one: str, other: str
) -> float:
    """The AUROC of one class against another; of hearts when one of them is Sick."""
    kind = "cardiac_mri" if one == "Sick" else "chest_xray"
    left = [image for image in learned if image.label in {one, other} and image.kind == kind]
    right = [image for image in judged if image.label in {one, other} and image.kind == kind]
    y = np.array([[image.label == one] for image in left], np.float64)
    said = _probe(_features(pooled, left), y, _features(pooled, right))[:, 0]
    return auroc(np.array([image.label == one for image in right]), said)


def _features(pooled: dict[str, NDArray[np.float32]], images: list[Image]) -> Features:
    return np.stack([pooled[image.path] for image in images]).astype(np.float64)


def _probe(x: Features, y: NDArray[Any], z: Features) -> Features:
    """Ridge regression of y (n, outputs) on x (n, channels), standardised; its scores for z (m, channels)."""
    mean, spread = x.mean(axis=0), x.std(axis=0) + 1e-6
    x, z = (x - mean) / spread, (z - mean) / spread
    centre = y.mean(axis=0)
    weights = np.linalg.solve(x.T @ x + RIDGE * len(x) * np.eye(x.shape[1]), x.T @ (y - centre))
    return np.asarray(z @ weights, dtype=np.float64)
