"""Figures of the shipped model on the held-back images, with the engine of run time and without TensorFlow."""

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from csss.inference.engine import Engine, calibrate
from csss.inference.preprocessing import preprocess
from training.data import Image, read_manifest
from training.metrics import (
    calibration_error,
    confusion,
    log_loss,
    macro,
    per_class,
    reliability,
    selective,
)
from training.run import rounded
from training.split import split


class FiguresDiffer(Exception):
    """What was measured is not what metrics.json says."""


def split_record(images: Sequence[Image], sides: dict[str, str], seed: int) -> dict[str, Any]:
    """The split in figures, with a fingerprint, for `split.json` and metrics.json."""
    lines = "\n".join(f"{path} {sides[path]}" for path in sorted(sides))
    counts = {
        side: dict(sorted(Counter(image.label for image in images if sides[image.path] == side).items()))
        for side in ("train", "val", "test")
    }
    return {
        "seed": seed,
        "images": len(images),
        "groups": len({image.group for image in images}),
        "sides": {side: sum(per_label.values()) for side, per_label in counts.items()},
        "groups_by_side": {
            side: len({image.group for image in images if sides[image.path] == side}) for side in counts
        },
        "by_class": counts,
        "sha256": hashlib.sha256(lines.encode()).hexdigest(),
    }


def evaluate(engine: Engine, data: Path, metrics: dict[str, Any]) -> dict[str, Any]:
    """The `test` part of metrics.json, measured now.

    The split is drawn again from the manifest; raises `FiguresDiffer` when it is not the one that was trained on,
    since training images would then be among the test images.
    """
    images = read_manifest(data)
    seed = metrics["data"]["seed"]
    sides = split(images, seed)
    if split_record(images, sides, seed)["sha256"] != metrics["data"]["sha256"]:
        raise FiguresDiffer("The data folder gives another split than the one this model was trained on.")
    test = [image for image in images if sides[image.path] == "test"]
    info = engine.info
    raw = []
    for image in tqdm(test, desc="evaluating", unit="image"):
        picture = preprocess((data / image.path).read_bytes(), info.width, info.height, info.resize)
        raw.append(engine.run(picture)[0])
    before = np.stack(raw).astype(np.float64)
    after = calibrate(before, info.temperature)
    truth = np.array([info.names.index(image.label) for image in test], dtype=np.int64)
    return dict(rounded(_figures(info.names, test, truth, before, after, engine.threshold)))


def _figures(  # noqa: PLR0917 - one caller, all of it needed
    names: tuple[str, ...], test: list[Image], truth: Any, before: Any, after: Any, threshold: float
) -> dict[str, Any]:
    predicted = after.argmax(axis=1)
    counts = confusion(truth, predicted, len(names))
    rows = per_class(counts)

    def accuracy_where(mask: list[bool]) -> dict[str, float]:
        chosen = np.array(mask)
        return {"images": int(chosen.sum()), "accuracy": float((predicted == truth)[chosen].mean())}

    return {
        "images": len(test),
        "accuracy": float((predicted == truth).mean()),
        "macro": macro(rows),
        "per_class": dict(zip(names, rows, strict=True)),
        "confusion": counts.tolist(),
        "selective": selective(truth, after, threshold),
        "calibration": {
            "ece_before": calibration_error(truth, before),
            "ece_after": calibration_error(truth, after),
            "log_loss_before": log_loss(truth, before),
            "log_loss_after": log_loss(truth, after),
            "reliability": reliability(truth, after),
        },
        "subgroups": {
            "chest X-ray": accuracy_where([image.kind == "chest_xray" for image in test]),
            "cardiac MRI": accuracy_where([image.kind == "cardiac_mri" for image in test]),
            "cardiac MRI, healthy": accuracy_where(
                [image.kind == "cardiac_mri" and image.label == "Normal" for image in test]
            ),
            "native width 128": accuracy_where([image.native_width == 128 for image in test]),
            "native width above 128": accuracy_where([image.native_width > 128 for image in test]),
        },
    }


def differences(wanted: Any, got: Any, tolerance: float, path: str = "test") -> list[str]:
    """Where two records differ by more than the tolerance, as sentences; empty when they agree."""
    if isinstance(wanted, dict) and isinstance(got, dict):
        if wanted.keys() != got.keys():
            return [f"{path} has other entries."]
        return [
            line for key in wanted for line in differences(wanted[key], got[key], tolerance, f"{path}.{key}")
        ]
    if isinstance(wanted, list) and isinstance(got, list):
        if len(wanted) != len(got):
            return [f"{path} has another length."]
        return [
            line
            for index, (left, right) in enumerate(zip(wanted, got, strict=True))
            for line in differences(left, right, tolerance, f"{path}[{index}]")
        ]
    if isinstance(wanted, float) and isinstance(got, int | float):
        return [] if abs(wanted - got) <= tolerance else [f"{path} is {got}, metrics.json says {wanted}."]
    return [] if wanted == got else [f"{path} is {got}, metrics.json says {wanted}."]


def read_metrics(folder: Path) -> dict[str, Any]:
    """A model folder's metrics.json."""
    record: dict[str, Any] = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    return record


def table(figures: dict[str, Any]) -> str:
    """The figures as text for the terminal."""
    lines = [f"{'class':<18}{'precision':>10}{'sensitivity':>12}{'specificity':>12}{'F1':>8}{'images':>8}"]
    for name, row in [*figures["per_class"].items(), ("macro average", figures["macro"])]:
        lines.append(
            f"{name:<18}{row['precision']:>10.4f}{row['sensitivity']:>12.4f}{row['specificity']:>12.4f}"
            f"{row['f1']:>8.4f}{row.get('support', figures['images']):>8}"
        )
    chosen, scale = figures["selective"], figures["calibration"]
    lines += [
        "",
        f"accuracy                       {figures['accuracy']:.4f} on {figures['images']} held-back images",
        f"accepted at {chosen['threshold']:.2f}               {chosen['acceptance_rate']:.4f}",
        f"error of the accepted          {chosen['error_accepted']:.4f} (all: {chosen['error_all']:.4f})",
        f"calibration error              {scale['ece_after']:.4f} (before scaling: {scale['ece_before']:.4f})",
        "",
        "confusion matrix (row: true class, column: predicted class)",
    ]
    names = list(figures["per_class"])
    lines.append(" " * 18 + "".join(f"{name[:10]:>11}" for name in names))
    for name, row in zip(names, figures["confusion"], strict=True):
        lines.append(f"{name:<18}" + "".join(f"{count:>11}" for count in row))
    return "\n".join(lines)
