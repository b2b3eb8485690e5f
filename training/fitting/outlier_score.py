"""Fit the outlier score of `csss.inference.outliers` on the training images, and its threshold on the validation
images.

Two methods are compared, each on whitened features: the Mahalanobis distance to the nearest class mean, and the
distance to the k-th nearest of a sample of training pictures. The one that best separates validation images from
drawn and found unrelated pictures is used. Hearts vary more than chests, and in other directions. So for the
Mahalanobis distance each kind of scan has its own covariance (Lee et al. 2018 share one over all classes), and
distances from a class mean are in units of the distances of the class's own training pictures. New pictures are
slightly further away, especially in classes with few patients; so most of the 2 % of the validation images that the
threshold refuses are still hearts.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from csss.inference.engine import Engine
from csss.inference.outliers import Outliers
from training.data.dataset import Image
from training.json_files import write_json
from training.measuring.evaluate import read_all, stored
from training.measuring.metrics import auroc
from training.measuring.other_pictures import outsiders
from training.run import Run

FILE = "outliers.npz"
FALSE_ALARMS = 0.02
REACH = 0.98
"""The quantile of a class's training distances from its mean that is the unit of distance for that class."""
AXES = 384
BANK = 800
NEIGHBOUR = 5
SHRINKAGE = 0.1
EVERY = 2
"""Every second chest X-ray is enough for a covariance with shrinkage; hearts are few, so all are used."""
SEED = 42


def whitening(
    pooled: NDArray[np.float32], strata: Sequence[str], axes: int = AXES
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Centre, and projection to axes of unit variance within the strata, sorted by the variance of all pictures.

    The covariance within the strata is shrunk towards a multiple of the identity (Ledoit and Wolf 2004, with a
    fixed weight), so that axes on which training pictures hardly vary do not get unlimited weight.
    """
    x = pooled.astype(np.float64)
    centre = x.mean(axis=0)
    names = np.array(strata)
    inside = np.concatenate(
        [x[names == name] - x[names == name].mean(axis=0) for name in sorted(set(strata))]
    )
    covariance = inside.T @ inside / len(inside)
    covariance = (1 - SHRINKAGE) * covariance + SHRINKAGE * np.trace(covariance) / len(covariance) * np.eye(
        len(covariance)
    )
    values, vectors = np.linalg.eigh(covariance)
    chosen = np.argsort(-values)[:axes]
    return centre.astype(np.float32), (vectors[:, chosen] / np.sqrt(np.maximum(values[chosen], 1e-6))).astype(
        np.float32
    )


def candidates(pooled: NDArray[np.float32], strata: Sequence[str]) -> dict[str, Outliers]:
    """The two methods, fitted on training pictures."""
    centre, projection = whitening(pooled, strata)
    bare = Outliers(centre, projection, np.zeros((1, projection.shape[1]), np.float32), 1, True)
    chosen = np.sort(np.random.default_rng(SEED).permutation(len(pooled))[:BANK])
    return {
        "mahalanobis": _by_kind(pooled, np.array(strata)),
        "neighbours": Outliers(centre, projection, bare.project(pooled)[chosen], NEIGHBOUR, True),
    }


def _by_kind(pooled: NDArray[np.float32], strata: NDArray[np.str_]) -> Outliers:
    """Distances from the class means, each on the axes of its kind of scan (`chest_xray` in `Normal/chest_xray`).

    From pooled features (n, channels) and n strata. In a mean's row of the bank, axes of another kind are NaN.
    """
    kind_of = {name: name.rpartition("/")[2] for name in sorted(set(strata.tolist()))}
    kinds = np.array([kind_of[name] for name in strata.tolist()])
    blocks = {
        kind: whitening(pooled[kinds == kind], strata[kinds == kind].tolist())[1]
        for kind in sorted(set(kinds.tolist()))
    }
    centre, projection = pooled.mean(axis=0), np.concatenate(list(blocks.values()), axis=1)
    owner = np.repeat(list(blocks), [block.shape[1] for block in blocks.values()])
    placed = (pooled - centre) @ projection
    means = np.stack(
        [
            np.where(owner == kind, placed[strata == name].mean(axis=0), np.nan)
            for name, kind in kind_of.items()
        ]
    )
    plain = Outliers(centre, projection, means.astype(np.float32), 1, False)
    apart = plain.distances(pooled)
    scale = [np.quantile(apart[strata == name, place], REACH) for place, name in enumerate(kind_of)]
    # A class of one or two pictures has almost no spread; use at least half of the median scale.
    return replace(plain, scale=np.maximum(scale, np.median(scale) / 2).astype(np.float32))


def fit(run: Run, data: Path) -> dict[str, Any]:
    """Fit, choose, write `outliers.npz`, name it in labels.json, and return the record stored as `outliers.json`."""
    folder = run.model_folder
    engine = Engine.load(folder)
    sides = run.images()
    learners = [
        image
        for number, image in enumerate(sides["train"])
        if number % EVERY == 0 or image.kind == "cardiac_mri"
    ]
    learned = _features(run, engine, data, learners, "train")
    known = _features(run, engine, data, sides["val"], "val")
    kinds, pictures = zip(*outsiders(), strict=True)
    strange = read_all(engine, pictures).pooled
    tried: dict[str, Any] = {}
    fitted = candidates(learned, [image.stratum for image in learners])
    for name, outliers in fitted.items():
        kept = Outliers.from_bytes(outliers.to_bytes())  # in half precision, as at run time
        tried[name] = _measured(kept.scores(known), kept.scores(strange), kinds)
    chosen = max(tried, key=lambda name: tried[name]["auroc"])
    written = fitted[chosen].to_bytes()
    (folder / FILE).write_bytes(written)
    record = {
        "method": chosen,
        "false_alarms": FALSE_ALARMS,
        "reach": REACH,
        "threshold": tried[chosen]["threshold"],
        "axes": AXES,
        "bank": BANK,
        "neighbour": NEIGHBOUR,
        "shrinkage": SHRINKAGE,
        "tried": tried,
    }
    run.write("outliers", record)
    _keep(folder / "metrics.json", {"outliers": record})
    _keep(
        folder / "labels.json",
        {
            "outliers": {
                "file": FILE,
                "sha256": hashlib.sha256(written).hexdigest(),
                "threshold": record["threshold"],
            }
        },
    )
    return record


def _measured(known: NDArray[Any], strange: NDArray[Any], kinds: Sequence[str]) -> dict[str, Any]:
    threshold = float(np.quantile(known, 1 - FALSE_ALARMS))
    names = np.array(kinds)

    def area(chosen: NDArray[Any]) -> float:
        return auroc(np.arange(len(known) + len(chosen)) >= len(known), np.concatenate([known, chosen]))

    return {
        "threshold": threshold,
        "auroc": area(strange),
        "refused": float((strange > threshold).mean()),
        "by_kind": {
            kind: {
                "pictures": int((names == kind).sum()),
                "auroc": area(strange[names == kind]),
                "refused": float((strange[names == kind] > threshold).mean()),
            }
            for kind in dict.fromkeys(kinds)
        },
    }


def _features(
    run: Run, engine: Engine, data: Path, images: Sequence[Image], side: str
) -> NDArray[np.float32]:
    """Pooled features of the released file, stored with its fingerprint so that a second fit is quick."""
    file = run.folder / "features" / f"shipped-{side}-{engine.info.model_sha256[:12]}.npy"
    kept: NDArray[np.float32] | None = np.load(file) if file.is_file() else None
    if kept is None or len(kept) != len(images):
        kept = read_all(engine, stored(data, images, f"features {side}")).pooled
        file.parent.mkdir(parents=True, exist_ok=True)
        partial = file.with_suffix(".partial.npy")
        np.save(partial, kept)
        partial.replace(file)
    return kept


def _keep(file: Path, more: dict[str, Any]) -> None:
    import json

    record = json.loads(file.read_text(encoding="utf-8"))
    write_json(file, record | more)
