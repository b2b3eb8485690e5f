"""Calibrate on the validation set: temperature scaling, and for a recipe with uneven sampling a bias per class."""

from pathlib import Path
from typing import Any

import keras
import numpy as np

from csss.inference.scaling import calibrate as scale
from training.data.findings import findings as labels_of
from training.fitting import calibrate_findings
from training.fitting.drawn import learned
from training.fitting.epochs import predict, targets
from training.fitting.features import PLAIN
from training.fitting.train import feature_cache
from training.measuring.intervals import calibration_figures
from training.measuring.metrics import macro_f1
from training.measuring.scaling import EVENED, RIDGE, counted, fit_temperature, fit_with_bias, with_bias
from training.run import Run


def calibrate(run: Run, data: Path, weights: str) -> dict[str, Any]:
    """Fit the temperature with the best epoch's head and return the record stored as `calibrate.json`."""
    trained = run.read("train")
    images = run.images()["val"]  # the first of `learned`
    cache = feature_cache(run, data, weights)
    head = keras.models.load_model(run.kept_file(trained), compile=False)
    truth = targets(images)
    pooled = cache.get(learned(run, "val"), "val", trained["resize"]["chosen"], PLAIN)[: len(images)]
    before = predict(head, pooled).astype(np.float64)
    if run.recipe.class_bias:
        counts = counted([image.group for image in images], [image.label for image in images], EVENED)
        temperature, bias = fit_with_bias(truth, before, counts, RIDGE)
    else:
        temperature, bias = fit_temperature(truth, before), np.zeros(before.shape[1])
    after = scale(with_bias(before, temperature, bias), temperature)
    record: dict[str, Any] = {
        "temperature": temperature,
        **({"bias": bias.tolist(), "evened": EVENED, "ridge": RIDGE} if run.recipe.class_bias else {}),
        "val": {
            "images": len(images),
            **calibration_figures(truth, before, after, [image.group for image in images]),
            "macro_f1_before": macro_f1(truth, before),
            "macro_f1_after": macro_f1(truth, after),
        },
    }
    if run.recipe.apart:
        groups = [image.group for image in images]
        known = labels_of(images, data)
        record["bias_in"] = "labels"
        record["findings"] = calibrate_findings.fit(known, predict(head, pooled, "findings"), groups)
    run.write("calibrate", record)
    return record
