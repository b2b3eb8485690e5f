"""Measure a model with additional images: the old held-back images, the new ones, and all; findings; and shortcuts.

The figure to judge a chest X-ray model by is how it tells sick from healthy within one source, because the six classes
come from different collections, and a network can learn those instead of disease.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from csss.inference.engine import Engine
from csss.inference.labels import NO_FINDING
from csss.inference.scaling import calibrate as scale
from csss.statistics.measures import interval, resamples
from training.data.collection import Collection
from training.data.dataset import LABELS, Image
from training.data.findings import FINDINGS, findings
from training.json_files import rounded
from training.measuring import findings as of_findings
from training.measuring.evaluate import Side, collected, hide_unproven, read_all, stored
from training.measuring.intervals import calibration_figures
from training.measuring.metrics import auroc, confusion, macro, per_class, selective
from training.measuring.scaling import EVENED, RIDGE, counted, fit_with_bias, with_bias
from training.run import Run

Rows = NDArray[np.int64]
HEALTHY: Final = "Normal"


def parts(
    engine: Engine,
    data: Path,
    side: Side,
    validation: Side,
    images: Collection,
    *,
    others: Sequence[Engine] = (),
) -> dict[str, Any]:
    """The `parts` of metrics.json, from a test side and a validation side that have been read.

    `others` are measured on the same held-back images for comparison.
    """
    known = findings(side.images, data)
    every = np.arange(len(side.images))
    chosen = {
        "old": np.array([i for i in every if side.images[i].part == "old"]),
        "new": np.array([i for i in every if side.images[i].part == "new"]),
        "all": every,
    }
    record: dict[str, Any] = {
        name: _figures(engine, side, known, rows) for name, rows in chosen.items() if len(rows)
    }
    record["beside"] = {}
    for other in others:
        pictures = stored(data, side.images, f"reading with {other.info.version}")
        theirs = replace(side, read=read_all(other, pictures))
        record["beside"][other.info.version] = {
            name: _figures(other, theirs, known, rows) for name, rows in chosen.items() if len(rows)
        }
        learned = replace(validation, read=read_all(other, stored(data, validation.images, "its features")))
        record["beside"][other.info.version]["source_told"] = told_source(learned, theirs)
    limits = {each.name: each.threshold for each in engine.info.findings}
    if side.read.findings is not None and (known >= 0).any():
        groups = [image.group for image in side.images]
        record["findings"] = {
            name: of_findings.figures(
                known[rows], side.read.findings[rows], [groups[i] for i in rows], limits
            )
            for name, rows in chosen.items()
            if len(rows)
        }
    if images.sharper:
        record["sharper"] = _sharper(engine, data, side, images.sharper)
    lateral = [image for name in ("val", "test") for image in images.lateral(name)]
    if lateral:
        read = read_all(engine, stored(data, lateral, "lateral views"))
        accepted = read.accepted(engine.threshold)
        record["lateral"] = {
            "images": len(lateral),
            "refused": float(read.strange.mean()),
            "answered": float(accepted.mean()),
        }
    record["leave_one_source_out"] = _other_sources(side, validation)
    record["source_told"] = told_source(validation, side)
    return dict(rounded(record))


def parts_beside_others(
    run: Run, engine: Engine, data: Path, metrics: dict[str, Any], *, side: Side, validation: Side
) -> dict[str, Any]:
    """`parts` with the other released versions beside; then hides findings that are not proven."""
    folders = [file.parent for file in sorted(run.models.glob("*/labels.json"))]
    others = [Engine.load(folder) for folder in folders if folder.name != run.version]
    record = parts(engine, data, side, validation, collected(data, metrics), others=others)
    hide_unproven(run.model_folder, record.get("findings"))
    return record


def _figures(engine: Engine, side: Side, known: NDArray[np.float32], rows: Rows) -> dict[str, Any]:
    """Macro-F1 with and without the images of NIH_MERGED that have no finding, hearts, and healthy against sick."""
    truth, read = side.truth[rows], side.read
    after, accepted = read.after[rows], read.accepted(engine.threshold)[rows]
    groups = [side.images[i].group for i in rows]
    none = known[rows, FINDINGS.index(NO_FINDING)] == 1
    merged = truth == LABELS.index("NIH_MERGED")
    record: dict[str, Any] = {
        "images": len(rows),
        "groups": len(set(groups)),
        "accuracy": float((after.argmax(axis=1) == truth).mean()),
        "macro_f1": with_interval(lambda at: _f1(truth[at], after[at]), groups),
        "per_class": {
            name: {"f1": row["f1"], "sensitivity": row["sensitivity"], "images": row["support"]}
            for name, row in zip(
                LABELS, per_class(confusion(truth, after.argmax(axis=1), len(LABELS))), strict=True
            )
        },
        "without_no_finding": _without(truth, after, groups, ~(merged & none)),
        "selective": selective(truth, after, accepted),
        "calibration_error": _calibration(truth, after, groups),
        "hearts": _hearts(side, rows),
        "healthy_nih": _healthy(side, known, rows),
    }
    return record


def _without(
    truth: Rows, after: NDArray[np.float64], groups: list[str], kept: NDArray[np.bool_]
) -> dict[str, Any]:
    """Macro-F1 without the images of NIH_MERGED in which nobody named a finding."""
    at = np.flatnonzero(kept)
    truth, after, groups = truth[at], after[at], [groups[i] for i in at]
    return {"images": len(at), "macro_f1": with_interval(lambda rows: _f1(truth[rows], after[rows]), groups)}


def with_interval(figure: Any, groups: Sequence[str]) -> dict[str, Any]:
    """A figure of row numbers, with its 95 % interval over draws of patients."""
    draws = [figure(rows) for rows in resamples(groups)]
    kept = [value for value in draws if not np.isnan(value)]
    return {
        "value": float(figure(np.arange(len(groups)))),
        "interval": list(interval(kept)) if kept else None,
    }


def _f1(truth: Rows, after: NDArray[np.float64]) -> float:
    return macro(per_class(confusion(truth, after.argmax(axis=1), len(LABELS))))["f1"]


def _calibration(truth: Rows, after: NDArray[np.float64], groups: list[str]) -> dict[str, Any]:
    found = calibration_figures(truth, after, after, groups)
    return {"value": found["ece_after"], "interval": found["ece_after_interval"]}


def _hearts(side: Side, rows: Rows) -> dict[str, Any]:
    """Healthy and sick hearts found, by slice and by patient (by the median of the patient's slices)."""
    sick = side.read.after[:, LABELS.index("Sick")]
    normal = side.read.after[:, LABELS.index(HEALTHY)]
    said = sick / np.maximum(sick + normal, 1e-12)
    record: dict[str, Any] = {}
    for name, label in (("healthy", HEALTHY), ("sick", "Sick")):
        chosen = [i for i in rows if side.images[i].kind == "cardiac_mri" and side.images[i].label == label]
        if not chosen:
            continue
        right = (said[chosen] < 0.5) == (label == HEALTHY)
        groups = [side.images[i].group for i in chosen]
        people = {
            group: np.median(said[[i for i, g in zip(chosen, groups, strict=True) if g == group]])
            for group in set(groups)
        }
        record[name] = {
            "slices": len(chosen),
            "found": with_interval(lambda at, right=right: float(right[at].mean()), groups),
            "patients": len(people),
            "patients_found": sum(bool((value < 0.5) == (label == HEALTHY)) for value in people.values()),
        }
    return record


def _healthy(side: Side, known: NDArray[np.float32], rows: Rows) -> dict[str, Any]:
    """Within NIH: how well no finding is told from a finding, by the second output and by the class Normal alone."""
    column = known[rows, FINDINGS.index(NO_FINDING)]
    if not {0.0, 1.0} <= set(column.tolist()):
        return {}
    at = rows[column >= 0]
    truth, groups = column[column >= 0] == 1, [side.images[i].group for i in rows[column >= 0]]
    scores = {"normal_class": side.read.after[at, LABELS.index(HEALTHY)]}
    if side.read.findings is not None:
        scores["no_finding"] = side.read.findings[at, FINDINGS.index(NO_FINDING)]
    record: dict[str, Any] = {"images": len(at), "without": int(truth.sum())}
    for name, score in scores.items():
        record[name] = with_interval(lambda chosen, score=score: auroc(truth[chosen], score[chosen]), groups)
    return record


def _sharper(engine: Engine, data: Path, side: Side, sharper: dict[str, Image]) -> dict[str, Any]:
    """The same held-back images as stored (128 pixels) and at 256: what resolution alone changes."""
    places = [i for i, image in enumerate(side.images) if image.path in sharper]
    clear = read_all(engine, stored(data, [sharper[side.images[i].path] for i in places], "sharper copies"))
    truth = side.truth[places]
    groups = [side.images[i].group for i in places]
    return {
        "images": len(places),
        "as_stored": _right(truth, side.read.after[places], groups),
        "sharper": _right(truth, clear.after, groups),
    }


def _right(truth: Rows, after: NDArray[np.float64], groups: list[str]) -> dict[str, Any]:
    hit = after.argmax(axis=1) == truth
    return with_interval(lambda at: float(hit[at].mean()), groups)


def _other_sources(side: Side, validation: Side) -> dict[str, Any]:
    """Calibration on each source, with temperature and biases fitted to the validation images of all other sources.

    A source with fewer than 50 held-back images is left out.
    """
    record = {}
    for source in sorted({image.source for image in side.images}):
        here = np.flatnonzero([image.source == source for image in side.images])
        rest = np.flatnonzero([image.source != source for image in validation.images])
        if len(here) < 50 or not len(rest):
            continue
        others = [validation.images[i] for i in rest]
        weights = counted([image.group for image in others], [image.label for image in others], EVENED)
        temperature, bias = fit_with_bias(
            validation.truth[rest], validation.read.before[rest], weights, RIDGE
        )
        after = scale(with_bias(side.read.before[here], temperature, bias), temperature)
        groups = [side.images[i].group for i in here]
        found = calibration_figures(side.truth[here], after, after, groups)
        record[source] = {
            "images": len(here),
            "ece": found["ece_after"],
            "ece_interval": found["ece_after_interval"],
        }
    return record


def told_source(learned: Side, side: Side) -> dict[str, Any]:
    """How well a linear probe on the pooled features tells the source of NIH's chest X-rays, all of one hospital.

    Sources differ in resolution and compression alone, so what is told above the most frequent one is no disease.
    """

    def rows(images: Sequence[Image]) -> list[int]:
        return [
            i for i, image in enumerate(images) if image.group.startswith("nih-") and image.label != HEALTHY
        ]

    left, right = rows(learned.images), rows(side.images)
    names = sorted({learned.images[i].source for i in left})
    x, mean = learned.read.pooled[left].astype(np.float64), learned.read.pooled[left].mean(axis=0)
    spread = x.std(axis=0) + 1e-6
    x, z = (x - mean) / spread, (side.read.pooled[right] - mean) / spread
    y = np.array([[learned.images[i].source == name for name in names] for i in left], np.float64)
    weights = np.linalg.solve(x.T @ x + 0.1 * len(x) * np.eye(x.shape[1]), x.T @ (y - y.mean(axis=0)))
    said = (z @ weights + y.mean(axis=0)).argmax(axis=1)
    truth = np.array([names.index(s) if (s := side.images[i].source) in names else -1 for i in right])
    counts = np.bincount(truth[truth >= 0])
    return {
        "images": len(right),
        "sources": len(names),
        "told": float((said == truth).mean()),
        "most_frequent": float(counts.max() / len(right)),
    }
