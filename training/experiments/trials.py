"""Evaluate single changes of the published recipe on the validation images: scaled input, and no flip.

Only the head is trained, on one augmented pass over the frozen base, so that each change is isolated and takes
minutes. Each has three seeds; the test images are not used.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from training.data.dataset import LABELS
from training.experiments.seeds import SEEDS, keep
from training.fitting import network
from training.fitting.epochs import best_epoch, one_epoch, stalled, targets, validate
from training.fitting.features import PLAIN, FeatureCache
from training.recipes import PAPER, Recipe
from training.run import HEIGHT, SEED, WIDTH, Run

PASSES = 1
FIGURES = ("val_macro_f1", "val_accuracy", "val_loss")
TRIALS: dict[str, Recipe] = {
    "as published": PAPER,
    "input scaled to -1..1": replace(PAPER, name="paper-scaled", scaled=True),
    "input scaled, no flip": replace(
        PAPER, name="paper-scaled-unflipped", scaled=True, augmentation="paper-unflipped"
    ),
}


def trials(run: Run, data: Path, weights: str, seeds: Sequence[int] = SEEDS) -> dict[str, Any]:
    """Run every trial and return the record stored as `trials.json` and in the model folder's metrics.json."""
    rows = {name: _tried(run, recipe, data, weights, seeds) for name, recipe in TRIALS.items()}
    record = {"passes": PASSES, "seeds": list(seeds), "by_trial": rows}
    run.write("trials", record)
    keep(run, {"trials": record})
    return record


def _tried(run: Run, recipe: Recipe, data: Path, weights: str, seeds: Sequence[int]) -> dict[str, Any]:
    folder = run.features if recipe is PAPER else run.root / f"features-{recipe.name}"
    cache = FeatureCache(folder, data, weights, recipe, size=(WIDTH, HEIGHT), seed=SEED)
    sides = run.images()
    x_val, y_val = cache.get(sides["val"], "val", "area", PLAIN), targets(sides["val"])
    found: list[dict[str, float]] = []
    for seed in seeds:
        head = network.build_trained_part(recipe, weights, len(LABELS), seed)
        history: list[dict[str, float]] = []
        while len(history) < recipe.epochs and not (history and stalled(history, recipe)):
            x_train = cache.get(sides["train"], "train", "area", len(history) % PASSES)
            one_epoch(head, x_train, sides["train"], recipe, seed=seed, epoch=len(history))
            history.append(validate(head, x_val, y_val))
        found.append(history[best_epoch(history, recipe) - 1])
    return {
        figure: {
            "mean": float(np.mean([row[figure] for row in found])),
            "by_seed": [row[figure] for row in found],
        }
        for figure in FIGURES
    }
