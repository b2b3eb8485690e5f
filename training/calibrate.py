"""Temperature scaling (Guo et al. 2017, https://arxiv.org/abs/1706.04599) on the validation set."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from csss.inference.engine import calibrate as scale
from training.features import PLAIN, FeatureCache
from training.metrics import calibration_error, log_loss
from training.run import HEIGHT, WIDTH, Run
from training.train import predict, targets


def fit_temperature(truth: NDArray[np.int64], probabilities: NDArray[Any]) -> float:
    """The temperature between 0.05 and 20 with the lowest log loss.

    The log loss is convex in 1/T (a log-sum-exp minus a linear term), so ternary search finds its minimum.
    """
    low, high = 1 / 20, 1 / 0.05
    while high - low > 1e-7:
        left, right = low + (high - low) / 3, high - (high - low) / 3
        if log_loss(truth, scale(probabilities, 1 / left)) <= log_loss(
            truth, scale(probabilities, 1 / right)
        ):
            high = right
        else:
            low = left
    return 2 / (low + high)


def calibrate(run: Run, data: Path, weights: str) -> dict[str, Any]:
    """Fit the temperature with the best epoch's head and return the record kept as `calibrate.json`."""
    trained = run.read("train")
    images = run.images(data)["val"]
    cache = FeatureCache(
        run.folder / "features",
        data,
        weights,
        run.recipe,
        size=(WIDTH, HEIGHT),
        seed=trained["settings"]["seed"],
    )
    head = keras.models.load_model(run.epoch_file(trained["best_epoch"]))
    truth = targets(images)
    pooled = cache.get(images, "val", trained["resize"]["chosen"], PLAIN)
    before = predict(head, pooled).astype(np.float64)
    temperature = fit_temperature(truth, before)
    after = scale(before, temperature)
    record = {
        "temperature": temperature,
        "val": {
            "images": len(images),
            "ece_before": calibration_error(truth, before),
            "ece_after": calibration_error(truth, after),
            "log_loss_before": log_loss(truth, before),
            "log_loss_after": log_loss(truth, after),
        },
    }
    run.write("calibrate", record)
    return record
