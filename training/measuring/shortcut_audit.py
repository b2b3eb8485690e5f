"""Measure what the model uses besides disease, how it treats unrelated pictures, and how it compares with another
model.

The shortcut audit runs the held-out test set again: first reduced to 128 pixels (resolution is confounded with
class in this data), then with the central part masked, and then with only the border. A model that reads lungs and
heart must lose nearly all of its accuracy when these are gone; what remains comes from the source, not from
disease.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from csss.inference.engine import Engine
from training.data.augment import SMALL_SIDE, reduce_to
from training.data.dataset import Image
from training.json_files import rounded
from training.measuring.evaluate import Read, Side, figures, read_all, read_metrics, stored
from training.measuring.intervals import paired
from training.measuring.metrics import auroc, confusion, macro, macro_f1, per_class
from training.measuring.other_pictures import note, outsiders

CENTRE = 0.6
"""Side of the masked central part, as a fraction of the picture's side."""
BORDER = 0.1
"""Width of the visible border, as a fraction of the picture's side."""

Picture = NDArray[np.uint8]


def small(picture: Picture) -> Picture:
    """Reduced to 128 pixels, like most original images of two classes."""
    return reduce_to(picture, SMALL_SIDE)


def _filled(picture: Picture, share: float, *, inside: bool) -> Picture:
    """Fill the central part (or everything else) with the picture's mean grey."""
    height, width = picture.shape[:2]
    top, left = round(height * (1 - share) / 2), round(width * (1 - share) / 2)
    centre = np.zeros((height, width), bool)
    centre[top : height - top, left : width - left] = True
    changed = picture.copy()
    changed[centre if inside else ~centre] = round(float(picture.mean()))
    return changed


def centre_masked(picture: Picture) -> Picture:
    """Mask the central 60 % x 60 %."""
    return _filled(picture, CENTRE, inside=True)


def border_only(picture: Picture) -> Picture:
    """Show only a border of a tenth of each side."""
    return _filled(picture, 1 - 2 * BORDER, inside=True)


def centre_only(picture: Picture) -> Picture:
    """Show only the central 60 % x 60 %."""
    return _filled(picture, CENTRE, inside=False)


CHANGES: dict[str, Callable[[Picture], Picture]] = {
    "reduced to 128 pixels": small,
    "central part masked": centre_masked,
    "central part only": centre_only,
    "border only": border_only,
}


def audit(
    engine: Engine, data: Path, metrics: dict[str, Any], other: Engine | None, side: Side
) -> dict[str, Any]:
    """The `audit` part of metrics.json; `other` is a model for comparison, evaluated now on the same images.

    `side` is the held-out test set with the engine's results.
    """
    test, truth, plain = side.images, side.truth, side.read
    changed = {name: read_all(engine, stored(data, test, name), change) for name, change in CHANGES.items()}
    record: dict[str, Any] = {
        "changes": {name: _brief(truth, read) for name, read in changed.items()},
        "small": _table(engine, test, truth, changed["reduced to 128 pixels"], metrics),
        "source": source_shown(plain, test),
        "others": _others(engine, plain, test),
    }
    if other is not None:
        theirs = read_metrics(other.info.folder)
        pairs = {
            "as stored": (plain, read_all(other, stored(data, test, "beside, as stored"))),
            "reduced to 128 pixels": (
                changed["reduced to 128 pixels"],
                read_all(other, stored(data, test, "beside, 128 pixels"), small),
            ),
        }
        record["beside"] = {
            "version": other.info.version,
            **{
                name: _side_by_side(engine, other, test, truth, ours=first, theirs=second)
                | {"figures": _table(other, test, truth, second, theirs)}
                for name, (first, second) in pairs.items()
            },
        }
    return dict(rounded(record))


def _brief(truth: NDArray[np.int64], read: Read) -> dict[str, float]:
    predicted = read.after.argmax(axis=1)
    return {
        "accuracy": float((predicted == truth).mean()),
        "f1": macro_f1(truth, read.after),
        "strange": float(read.strange.mean()),
    }


def _table(
    engine: Engine, test: Sequence[Image], truth: NDArray[np.int64], read: Read, metrics: dict[str, Any]
) -> dict[str, Any]:
    every = figures(engine, test, truth, read, metrics["calibration"])
    kept = ("accuracy", "macro", "per_class", "auroc", "selective", "intervals")
    scale = {key: value for key, value in every["calibration"].items() if not key.startswith("reliability")}
    return {key: every[key] for key in kept} | {"calibration": scale}


def source_shown(read: Read, images: Sequence[Image]) -> dict[str, Any]:
    """How well the features reveal the source of chest X-rays, by the nearest other patient's picture (cosine).

    Within Normal, where two sources show the same finding, this measures the source alone.
    """
    record = {}
    for name, chosen in {
        "chest X-rays": [i for i, image in enumerate(images) if image.kind == "chest_xray"],
        "Normal chest X-rays": [
            i for i, image in enumerate(images) if image.kind == "chest_xray" and image.label == "Normal"
        ],
    }.items():
        if not chosen:
            continue  # a small data set may have none of them
        features = read.pooled[chosen]
        features = features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)
        groups = np.array([images[i].group for i in chosen])
        sources = np.array([images[i].source for i in chosen])
        closeness = features @ features.T
        closeness[groups[:, None] == groups[None]] = -np.inf
        told = sources[closeness.argmax(axis=1)] == sources
        _, counts = np.unique(sources, return_counts=True)
        record[name] = {
            "images": len(chosen),
            "sources": len(counts),
            "told": float(told.mean()),
            "most_frequent": float(counts.max() / len(chosen)),
        }
    return record


def _others(engine: Engine, plain: Read, test: Sequence[Image]) -> dict[str, Any]:
    """How unrelated pictures fare: refused as outliers, or accepted. Includes held-out scans for comparison."""
    kinds, pictures = zip(*outsiders(), strict=True)
    read = read_all(engine, pictures)
    accepted, names = read.accepted(engine.threshold), np.array(kinds)
    of_kind = np.array([image.kind for image in test])
    record: dict[str, Any] = {
        "scans_refused": float(plain.strange.mean()),
        "scans_refused_by_kind": {
            kind: float(plain.strange[of_kind == kind].mean()) for kind in sorted(set(of_kind.tolist()))
        },
        "accepted": float(accepted.mean()),
        "note": note(dict.fromkeys(kinds)),
        "by_kind": {
            kind: {
                "pictures": int((names == kind).sum()),
                "refused": float(read.strange[names == kind].mean()),
                "accepted": float(accepted[names == kind].mean()),
            }
            for kind in dict.fromkeys(kinds)
        },
    }
    if engine.outliers:
        known, strange = engine.outliers.scores(plain.compared), engine.outliers.scores(read.compared)
        positive = np.arange(len(known) + len(strange)) >= len(known)
        record["auroc"] = auroc(positive, np.concatenate([known, strange]))
        record["auroc_confidence"] = auroc(
            positive, -np.concatenate([plain.after.max(axis=1), read.after.max(axis=1)])
        )
    return record


def _side_by_side(
    engine: Engine,
    other: Engine,
    test: Sequence[Image],
    truth: NDArray[np.int64],
    *,
    ours: Read,
    theirs: Read,
) -> dict[str, Any]:
    names = engine.info.names
    if other.info.names != names:
        raise ValueError(f"{other.info.version} has other classes than {engine.info.version}.")
    groups = [image.group for image in test]
    first, second = ours.after.argmax(axis=1), theirs.after.argmax(axis=1)

    def f1(predicted: NDArray[np.int64], chosen: NDArray[np.int64]) -> float:
        return macro(per_class(confusion(truth[chosen], predicted[chosen], len(names))))["f1"]

    def right(predicted: NDArray[np.int64], chosen: NDArray[np.int64]) -> float:
        return float((predicted == truth)[chosen].mean())

    return {
        "macro_f1": paired(lambda chosen: (f1(first, chosen), f1(second, chosen)), groups, len(test)),
        "accuracy": paired(lambda chosen: (right(first, chosen), right(second, chosen)), groups, len(test)),
        "accepted": [
            float(ours.accepted(engine.threshold).mean()),
            float(theirs.accepted(other.threshold).mean()),
        ],
    }
