"""Evaluate the released model on the held-out test set, with the run-time engine and without TensorFlow."""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from csss.inference.engine import Engine
from csss.inference.labels import VIEWS
from csss.inference.preprocessing import decode, preprocess
from csss.inference.scaling import calibrate
from training.data.collection import NEW, Collection, gather, more_folder
from training.data.dataset import Image
from training.json_files import rounded, write_json
from training.measuring.findings import recognised
from training.measuring.intervals import calibration_figures, intervals
from training.measuring.metrics import auroc, confusion, macro, per_class, risk_coverage, selective
from training.measuring.scaling import as_trained
from training.measuring.subgroups import subgroups


class FiguresDiffer(Exception):
    """The measured metrics differ from metrics.json."""


def split_record(images: Sequence[Image], sides: dict[str, str], seed: int) -> dict[str, Any]:
    """The split in numbers, with a fingerprint, for `split.json` and metrics.json."""
    # Where the folder of additional images lies makes no difference.
    names = {path: path.rpartition("../")[2] for path in sides}
    lines = "\n".join(f"{names[path]} {sides[path]}" for path in sorted(sides, key=names.__getitem__))
    counts = {
        side: dict(sorted(Counter(image.label for image in images if sides[image.path] == side).items()))
        for side in ("train", "val", "test")
    }
    return {
        "seed": seed,
        **({"more": True} if any(image.part == NEW for image in images) else {}),
        "images": len(images),
        "groups": len({image.group for image in images}),
        "sides": {side: sum(per_label.values()) for side, per_label in counts.items()},
        "groups_by_side": {
            side: len({image.group for image in images if sides[image.path] == side}) for side in counts
        },
        "by_class": counts,
        "sha256": hashlib.sha256(lines.encode()).hexdigest(),
    }


def held_back(data: Path, metrics: dict[str, Any], side: str = "test") -> list[Image]:
    """The images of a side (by default the test side).

    The split is recomputed from the manifest. Raises `FiguresDiffer` when it is not the one used for training,
    since training images would then be among the test images.
    """
    return collected(data, metrics).of(side)


def collected(data: Path, metrics: dict[str, Any]) -> Collection:
    """The images that a model was trained and measured on, with their sides; raises `FiguresDiffer` as `held_back`."""
    seed, more = metrics["data"]["seed"], metrics["data"].get("more", False)
    found = gather(data, seed, more=more_folder(data) if more else None)
    if split_record(found.images, found.sides, seed)["sha256"] != metrics["data"]["sha256"]:
        raise FiguresDiffer("The data folder gives another split than the one this model was trained on.")
    return found


@dataclass(frozen=True)
class Read:
    """An engine's results for n images.

    Probabilities (n, classes) without and with the temperature, pooled features (n, channels), what the outlier score
    compares (n, columns), flags of pictures that are refused (n), the heat maps (n, 7, 7) in 0..1 for the most likely
    class, and probabilities of the findings (n, 15) and the number of the view (n), None for a network without them.
    """

    before: NDArray[np.float64]
    after: NDArray[np.float64]
    pooled: NDArray[np.float32]
    compared: NDArray[np.float32]
    strange: NDArray[np.bool_]
    heat: NDArray[np.float32]
    findings: NDArray[np.float64] | None = None
    view: NDArray[np.int64] | None = None

    def accepted(self, threshold: float) -> NDArray[np.bool_]:
        """As at run time: confident enough, and no outlier."""
        return (self.after.max(axis=1) >= threshold) & ~self.strange


def as_stored(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return picture


def read_all(
    engine: Engine,
    pictures: Iterable[NDArray[np.uint8]],
    change: Callable[[NDArray[np.uint8]], NDArray[np.uint8]] = as_stored,
) -> Read:
    """Run the engine over RGB pictures, each changed first."""
    info = engine.info
    raw, pooled, compared, heat, findings, view = [], [], [], [], [], []
    for picture in pictures:
        output = engine.run(preprocess(change(picture), info.width, info.height, info.resize))
        found, feature_map = output.probabilities, output.feature_map
        raw.append(found)
        compared.append(output.compared)
        pooled.append(feature_map.mean(axis=(0, 1)))
        heat.append(engine.class_map(feature_map, int(found.argmax())))
        if info.findings:
            findings.append(list((engine.findings(feature_map) or {}).values()))
        if info.views:
            view.append(int(np.argmax(list((engine.view(feature_map) or {}).values()))))
    before, features = np.stack(raw).astype(np.float64), np.stack(compared)
    scores = engine.outliers.scores(features) if engine.outliers else np.zeros(len(features))
    seen = np.array(view) if view else None
    strange = scores > info.outliers_threshold
    return Read(
        before,
        calibrate(before, info.temperature, info.bias),
        np.stack(pooled),
        features,
        strange
        if seen is None
        else strange | np.isin(seen, (VIEWS.index("lateral_chest"), VIEWS.index("none"))),
        np.stack(heat),
        np.array(findings) if findings else None,
        seen,
    )


@dataclass(frozen=True)
class Side:
    """The images of one side of the split, their class numbers (n), and an engine's results for them."""

    images: list[Image]
    truth: NDArray[np.int64]
    read: Read


def read_side(engine: Engine, data: Path, metrics: dict[str, Any], side: str = "test") -> Side:
    """Every image of a side as stored, run through the engine."""
    images = held_back(data, metrics, side)
    return Side(images, truths(engine, images), read_all(engine, stored(data, images, f"reading {side}")))


def stored(data: Path, images: Sequence[Image], title: str) -> Iterator[NDArray[np.uint8]]:
    """The pictures of images as RGB arrays, with a progress bar."""
    for image in tqdm(images, desc=title, unit="image"):
        yield decode((data / image.path).read_bytes())


def truths(engine: Engine, images: Sequence[Image]) -> NDArray[np.int64]:
    """Class numbers in the engine's order."""
    return np.array([engine.info.names.index(image.label) for image in images], dtype=np.int64)


def evaluate(engine: Engine, data: Path, metrics: dict[str, Any], side: str = "test") -> dict[str, Any]:
    """The metrics of one side (`test` or `validation` in metrics.json), measured now."""
    return side_figures(engine, read_side(engine, data, metrics, side), metrics["calibration"])


def side_figures(engine: Engine, side: Side, calibration: dict[str, Any]) -> dict[str, Any]:
    """The metrics of a side that has been run; `calibration` is that record of metrics.json."""
    return dict(rounded(figures(engine, side.images, side.truth, side.read, calibration)))


def figures(
    engine: Engine,
    test: Sequence[Image],
    truth: NDArray[np.int64],
    read: Read,
    calibration: dict[str, Any],
) -> dict[str, Any]:
    """All metrics of one run over the images, with intervals."""
    names, after = engine.info.names, read.after
    groups = [image.group for image in test]
    areas = {name: auroc(truth == index, after[:, index]) for index, name in enumerate(names)}
    predicted = after.argmax(axis=1)
    counts = confusion(truth, predicted, len(names))
    rows = per_class(counts)
    accepted = read.accepted(engine.threshold)

    return {
        "images": len(test),
        "groups": len({image.group for image in test}),
        "accuracy": float((predicted == truth).mean()),
        "macro": macro(rows) | {"auroc": float(np.mean(list(areas.values())))},
        "per_class": dict(zip(names, rows, strict=True)),
        "auroc": areas,
        "confusion": counts.tolist(),
        "selective": {"threshold": engine.threshold} | selective(truth, after, accepted),
        "answers": {
            name: _answers(predicted[accepted] == index, truth[accepted] == index)
            for index, name in enumerate(names)
        },
        "risk_coverage": risk_coverage(truth, after),
        "strange": float(read.strange.mean()),
        "calibration": calibration_figures(truth, as_trained(read.before, calibration), after, groups),
        "intervals": intervals(names, truth, after, accepted, groups),
        "subgroups": subgroups(test, predicted == truth),
    }


def _answers(said: NDArray[np.bool_], true: NDArray[np.bool_]) -> dict[str, float | None]:
    """For the accepted images: how many were predicted as a class, and the fraction of these that belong to it."""
    return {"accepted": int(said.sum()), "right": float(true[said].mean()) if said.any() else None}


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


def hide_unproven(folder: Path, measured: dict[str, Any] | None) -> None:
    """Hide findings whose interval on all held-back images reaches below the limit (`training.measuring.findings`).

    What is shown is chosen by the validation images; the held-back ones can only take something away.
    """
    if measured is None:
        return
    labels = json.loads((folder / "labels.json").read_text(encoding="utf-8"))
    proven = recognised(measured["all"])
    for each in labels["findings"]:
        each["shown"] = each["shown"] and each["name"] in proven
    write_json(folder / "labels.json", labels)


def table(figures: dict[str, Any]) -> str:
    """The metrics as text for the terminal."""
    lines = [f"{'class':<18}{'precision':>10}{'sensitivity':>12}{'specificity':>12}{'F1':>8}{'images':>8}"]
    for name, row in [*figures["per_class"].items(), ("macro average", figures["macro"])]:
        lines.append(
            f"{name:<18}{row['precision']:>10.4f}{row['sensitivity']:>12.4f}{row['specificity']:>12.4f}"
            f"{row['f1']:>8.4f}{row.get('support', figures['images']):>8}"
        )
    chosen, scale = figures["selective"], figures["calibration"]
    ranges = figures["intervals"]

    def between(key: str) -> str:
        return f"[{ranges[key][0]:.4f}, {ranges[key][1]:.4f}]"

    lines += [
        "",
        f"accuracy                       {figures['accuracy']:.4f} on {figures['images']} held-back images "
        f"{between('accuracy')}",
        f"macro F1                       {figures['macro']['f1']:.4f} {between('macro.f1')}",
        f"accepted at {chosen['threshold']:.2f}               {chosen['acceptance_rate']:.4f} "
        f"{between('acceptance_rate')}",
        f"error of the accepted          {chosen['error_accepted']:.4f} {between('error_accepted')} "
        f"(all: {chosen['error_all']:.4f})",
        f"refused as unlike scans        {figures['strange']:.4f}",
        f"calibration error              {scale['ece_after']:.4f} {between('ece_after')} "
        f"(before scaling: {scale['ece_before']:.4f})",
        f"macro AUROC                    {figures['macro']['auroc']:.4f} {between('macro.auroc')}",
        "one-vs-rest AUROC              "
        + ", ".join(f"{name} {value:.3f}" for name, value in figures["auroc"].items()),
        "(in brackets: 95 % intervals, patients drawn again)",
        "",
        "confusion matrix (row: true class, column: predicted class)",
    ]
    names = list(figures["per_class"])
    lines.append(" " * 18 + "".join(f"{name[:10]:>11}" for name in names))
    for name, row in zip(names, figures["confusion"], strict=True):
        lines.append(f"{name:<18}" + "".join(f"{count:>11}" for count in row))
    return "\n".join(lines)
