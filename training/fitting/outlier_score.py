"""Fit the outlier score of `csss.inference.outliers` on the training images, and its threshold on the validation
images.

Two methods are compared, each on whitened features: the Mahalanobis distance to the nearest class mean, and the
distance to the k-th nearest of a sample of training pictures. The one that best separates validation images from
drawn and found unrelated pictures is used. Hearts vary more than chests, and in other directions. So for the
Mahalanobis distance each kind of scan has its own covariance (Lee et al. 2018 share one over all classes), and
distances from the means of a kind are in units of the distances of pictures of patients that the means and the
covariance have not seen (cross-fitting over patients).

The features are those that the recipe names (`Recipe.compared`). The last feature map is a bad choice for hearts: the
network has learned the few hearts of the training images by heart, so those of a new patient lie far from all of them,
while an abdomen is as far away as a new heart (decision 0056).
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
"""The quantile of a kind's training distances from its nearest mean that is the unit of distance for that kind."""
FOLDS = 5
AXES = 192
BANK = 800
NEIGHBOUR = 5
SHRINKAGE = 0.1
EVERY = 2
"""Every second chest X-ray is enough for a covariance with shrinkage; hearts are few, so all are used."""
SEED = 42


def whitening(
    features: NDArray[np.float32], strata: Sequence[str], axes: int = AXES
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Centre, and projection to axes of unit variance within the strata, sorted by the variance of all pictures.

    The covariance within the strata is shrunk towards a multiple of the identity (Ledoit and Wolf 2004, with a
    fixed weight), so that axes on which training pictures hardly vary do not get unlimited weight.
    """
    x = features.astype(np.float64)
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


def candidates(
    features: NDArray[np.float32], strata: Sequence[str], patients: Sequence[str]
) -> dict[str, Outliers]:
    """The two methods, fitted on the features (n, columns) of training pictures, their strata and patients (n)."""
    spread = np.maximum(features.std(axis=0), 1e-6)
    even = features / spread
    centre, projection = whitening(even, strata)
    centre, projection = centre * spread, projection / spread[:, np.newaxis]
    bare = Outliers(centre, projection, np.zeros((1, projection.shape[1]), np.float32), 1, True)
    chosen = np.sort(np.random.default_rng(SEED).permutation(len(features))[:BANK])
    by_kind = _by_kind(even, np.array(strata), np.array(patients))
    return {
        "mahalanobis": replace(
            by_kind, centre=by_kind.centre * spread, projection=by_kind.projection / spread[:, np.newaxis]
        ),
        "neighbours": Outliers(centre, projection, bare.project(features)[chosen], NEIGHBOUR, True),
    }


def _by_kind(features: NDArray[np.float32], strata: NDArray[np.str_], patients: NDArray[np.str_]) -> Outliers:
    """Distances from the class means, each on the axes of its kind of scan (`chest_xray` in `Normal/chest_xray`).

    From features (n, columns) of similar spread, n strata and n patients. In a mean's row of the bank, axes of another
    kind are NaN.
    """
    kind_of = {name: name.rpartition("/")[2] for name in sorted(set(strata.tolist()))}
    kinds = np.array([kind_of[name] for name in strata.tolist()])
    centre = features.mean(axis=0)
    blocks, rows, scales = [], [], []
    for kind in sorted(set(kinds.tolist())):
        own = kinds == kind
        block, means = _axes_and_means(features[own] - centre, strata[own])
        blocks.append(block)
        rows.append(means)
        scales += len(means) * [_reach(features[own] - centre, strata[own], patients[own])]
    bank = np.full((len(scales), sum(block.shape[1] for block in blocks)), np.nan, np.float32)
    row = column = 0
    for means in rows:
        bank[row : row + means.shape[0], column : column + means.shape[1]] = means
        row, column = row + means.shape[0], column + means.shape[1]
    # A kind of one or two pictures has almost no spread; use at least half of the median scale.
    scale = np.maximum(scales, np.median(scales) / 2).astype(np.float32)
    return Outliers(centre, np.concatenate(blocks, axis=1), bank, 1, False, scale)


def _axes_and_means(
    features: NDArray[np.float32], strata: NDArray[np.str_]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The axes (columns, axes) of pictures of one kind, and the mean of each stratum on them (strata, axes)."""
    axes = whitening(features, strata.tolist())[1]
    placed = features @ axes
    return axes, np.stack([placed[strata == name].mean(axis=0) for name in sorted(set(strata.tolist()))])


def _reach(features: NDArray[np.float32], strata: NDArray[np.str_], patients: NDArray[np.str_]) -> float:
    """How far pictures of one kind lie from the nearest mean, where means and axes come from other patients."""
    names = np.random.default_rng(SEED).permutation(sorted(set(patients.tolist())))
    fold_of = {name: number % FOLDS for number, name in enumerate(names.tolist())}
    folds = np.array([fold_of[name] for name in patients.tolist()])
    apart = np.zeros(len(features))
    for fold in sorted(set(folds.tolist())):
        judged = folds == fold
        learned = ~judged if (~judged).any() else judged  # of a single patient
        axes, means = _axes_and_means(features[learned], strata[learned])
        steps = (features[judged] @ axes)[:, np.newaxis] - means
        apart[judged] = np.sqrt((steps**2).sum(axis=2)).min(axis=1)
    return float(np.quantile(apart, REACH))


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
    strange = read_all(engine, pictures).compared
    tried: dict[str, Any] = {}
    fitted = candidates(learned, [image.stratum for image in learners], [image.group for image in learners])
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
        "folds": FOLDS,
        "layers": list(run.recipe.compared),
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
    """What the outlier score compares, by the released file, stored with its fingerprint so that a second fit is quick."""
    file = run.folder / "features" / f"shipped-{side}-{engine.info.model_sha256[:12]}.npy"
    kept: NDArray[np.float32] | None = np.load(file) if file.is_file() else None
    if kept is None or len(kept) != len(images):
        kept = read_all(engine, stored(data, images, f"features {side}")).compared
        file.parent.mkdir(parents=True, exist_ok=True)
        partial = file.with_suffix(".partial.npy")
        np.save(partial, kept)
        partial.replace(file)
    return kept


def _keep(file: Path, more: dict[str, Any]) -> None:
    import json

    record = json.loads(file.read_text(encoding="utf-8"))
    write_json(file, record | more)
