"""Train the same recipe with several seeds: how much of a metric is due to random weights, order and augmentation.

Every seed is trained and calibrated separately, like the teachers of the released network, and evaluated on the
same held-out test set, as stored and reduced to 128 pixels. All share the augmented passes, and differ in initial
weights, order and mixing.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from csss.inference.labels import DEFAULT_THRESHOLD, NO_FINDING
from csss.inference.scaling import calibrate as scale
from training.data.findings import findings
from training.fitting.calibrate import calibrate
from training.fitting.epochs import areas_of, predict, targets
from training.fitting.features import PLAIN, SMALL
from training.fitting.train import feature_cache, train
from training.json_files import write_json
from training.measuring.metrics import calibration_error, macro_f1
from training.measuring.scaling import with_bias
from training.run import SEED, Run

SEEDS = (42, 43, 44)


def several(run: Run, data: Path, weights: str, seeds: Sequence[int] = SEEDS) -> dict[str, Any]:
    """Train missing seeds, evaluate all of them, and return the record stored as `seeds.json`.

    It is also added to the model folder's metrics.json, if there is one.
    """
    rows = {str(seed): _measured(run.of_seed(seed), data, weights) for seed in seeds}
    record = {
        "recipe": run.recipe.name,
        "shared_passes": True,
        "threshold": DEFAULT_THRESHOLD,
        "by_seed": rows,
        "summary": {
            images: {figure: _spread([row[images][figure] for row in rows.values()]) for figure in first}
            for images, first in next(iter(rows.values())).items()
            if isinstance(first, dict)
        },
    }
    run.write("seeds", record)
    keep(run, {"seeds": record})
    return record


def keep(run: Run, more: dict[str, Any]) -> None:
    """Add a part to the metrics.json of the run's model folder, if there is one."""
    file = run.model_folder / "metrics.json"
    if file.is_file():
        write_json(file, json.loads(file.read_text(encoding="utf-8")) | more)


def _measured(run: Run, data: Path, weights: str) -> dict[str, Any]:
    first = run.of_seed(SEED)
    resize = None if run.seed == SEED else train(first, data, weights)["resize"]["chosen"]
    trained = train(run, data, weights, resize)
    calibrated = calibrate(run, data, weights)
    head = keras.models.load_model(run.kept_file(trained), compile=False)
    cache, test = feature_cache(run, data, weights), run.images()["test"]
    truth = targets(test)
    bias = np.array(calibrated.get("bias", 0.0))
    row: dict[str, Any] = {"best_epoch": trained["best_epoch"], "epochs": len(trained["history"])}
    for images, kind in (("as stored", PLAIN), ("reduced to 128 pixels", SMALL)):
        x = cache.get(test, "test", trained["resize"]["chosen"], kind)
        raw = predict(head, x).astype(np.float64)
        if run.recipe.findings and kind == PLAIN:
            areas = areas_of(findings(test, data), predict(head, x, "findings"))
            row["second output"] = {"no_finding": areas.pop(NO_FINDING, 0.0)} | (
                {"findings": float(np.mean(list(areas.values())))} if areas else {}
            )
        row[images] = figures(
            truth, scale(with_bias(raw, calibrated["temperature"], bias), calibrated["temperature"])
        )
    return row


def figures(truth: NDArray[np.int64], probabilities: NDArray[np.float64]) -> dict[str, float]:
    """Accuracy, macro-F1, calibration error, and the effect of the threshold, before outliers are refused."""
    right = probabilities.argmax(axis=1) == truth
    accepted = probabilities.max(axis=1) >= DEFAULT_THRESHOLD
    return {
        "accuracy": float(right.mean()),
        "macro_f1": macro_f1(truth, probabilities),
        "calibration_error": calibration_error(truth, probabilities),
        "accepted": float(accepted.mean()),
        "error_accepted": float(1 - right[accepted].mean()) if accepted.any() else 0.0,
    }


def _spread(values: Sequence[float]) -> dict[str, float]:
    return {"mean": float(np.mean(values)), "lowest": float(min(values)), "highest": float(max(values))}
