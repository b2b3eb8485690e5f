"""Train a recipe on the cached output of the frozen layers, with early stopping; the best epoch is stored."""

import hashlib
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from csss.inference.labels import RESIZE_METHODS
from training.data.dataset import LABELS, Image
from training.data.findings import findings, views
from training.fitting import devices, network
from training.fitting.drawn import learned
from training.fitting.epochs import Teacher, best_epoch, one_epoch, one_hot, stalled, targets, validate
from training.fitting.features import LARGE, PLAIN, FeatureCache
from training.fitting.recipe_in_words import recipe_in_words
from training.fitting.unread import shared
from training.recipes import PAPER, Recipe
from training.run import HEIGHT, SEED, WIDTH, Run, RunDiffers


def choose_resize(
    cache: FeatureCache, sides: dict[str, list[Image]], seeds: tuple[int, ...]
) -> dict[str, Any]:
    """Train a head per resize method and seed on the first augmented pass; the better validation macro-F1 wins.

    Each head is scored on the validation pictures as stored, and on the same ones as large scans. The stored ones,
    320 pixels at most, cannot show what bilinear sampling loses on a full-size scan, and both kinds occur in use;
    so the mean of the two scores decides.
    """
    y_val = targets(sides["val"])
    scores: dict[str, dict[str, list[float]]] = {}
    for resize in RESIZE_METHODS:
        x_train = cache.get(sides["train"], "train", resize, 0)
        x_val = {kind: cache.get(sides["val"], "val", resize, kind) for kind in (PLAIN, LARGE)}
        scores[resize] = {PLAIN: [], LARGE: []}
        for seed in tqdm(seeds, desc=f"resize {resize}", unit="seed"):
            head = network.build_trained_part(PAPER, cache.weights, len(LABELS), seed)
            history: list[dict[str, float]] = []
            weights = []
            while len(history) < PAPER.epochs and not (history and stalled(history, PAPER)):
                one_epoch(head, x_train, sides["train"], PAPER, seed=seed, epoch=len(history))
                history.append(validate(head, x_val[PLAIN], y_val))
                weights.append(head.get_weights())
            head.set_weights(weights[best_epoch(history, PAPER) - 1])
            for kind, x in x_val.items():
                scores[resize][kind].append(validate(head, x, y_val)["val_macro_f1"])
    means = {
        resize: {kind: float(np.mean(row)) for kind, row in rows.items()} for resize, rows in scores.items()
    }
    chosen = max(means, key=lambda resize: sum(means[resize].values()))
    return {"chosen": chosen, "val_macro_f1": means, "by_seed": scores, "seeds": list(seeds)}


def train(
    run: Run,
    data: Path,
    weights: str,
    resize: str | None = None,
    *,
    teacher: Teacher | None = None,
    taught_by: Sequence[str] = (),
) -> dict[str, Any]:
    """Train, or continue an interrupted training, and return the record that is stored as `train.json`.

    `taught_by` are the SHA-256 of the network files behind `teacher`. Raises `RunDiffers` when the training was
    started with other settings.
    """
    recipe, seed = run.recipe, run.seed
    sides = {side: learned(run, side) for side in ("train", "val")}
    cache = feature_cache(run, data, weights)
    settings: dict[str, Any] = {
        "seed": seed,
        "weights": _weights_name(weights),
        "images": len(sides["train"]),
    }
    if teacher:
        settings |= {"panel": recipe.panel, "taught_by": list(taught_by)}
    record = _started(run, settings) or _begin(cache, sides, settings, resize)
    if record["finished"]:
        return record
    method = record["resize"]["chosen"]
    chosen_by = run.images()["val"]  # the first of `learned`
    x_val, y_val = cache.get(sides["val"], "val", method, PLAIN)[: len(chosen_by)], targets(chosen_by)
    known, known_val = findings(sides["train"], data), findings(chosen_by, data) if recipe.findings else None
    classes = one_hot(sides["train"])
    if recipe.apart:
        classes = shared(sides["train"], classes, data)
    history: list[dict[str, float]] = record["history"]
    run.epoch_file(1).parent.mkdir(parents=True, exist_ok=True)
    with devices.apply().scope():
        model = (
            keras.models.load_model(run.epoch_file(len(history)))
            if history
            else network.build_trained_part(
                recipe, weights, len(LABELS), seed, math.ceil(len(sides["train"]) / recipe.batch)
            )
        )
    bar = tqdm(total=recipe.epochs, initial=len(history), desc="training", unit="epoch")
    while len(history) < recipe.epochs and not (history and stalled(history, recipe)):
        x_train = cache.get(sides["train"], "train", method, len(history) % recipe.passes)
        row = one_epoch(
            model,
            x_train,
            sides["train"],
            recipe,
            seed=seed,
            epoch=len(history),
            known=known,
            classes=classes,
            teacher=teacher,
            views=views(sides["train"]) if recipe.apart else None,
        )
        row |= validate(model, x_val, y_val, known_val)
        model.save(run.epoch_file(len(history) + 1))
        history.append(row)
        record["best_epoch"] = best_epoch(history, recipe)
        run.write("train", record)
        bar.update()
        bar.set_postfix({key: f"{row[key]:.4f}" for key in ("val_loss", "val_accuracy", "val_macro_f1")})
    bar.close()
    if recipe.averaged:
        model.set_weights(average([run.epoch_file(epoch) for epoch in _last(len(history), recipe)]))
        model.save(run.average_file)
        row = validate(model, x_val, y_val, known_val)
        record["average"] = {"epochs": list(_last(len(history), recipe)), **row}
        record["average_kept"] = True
    record["finished"] = True
    run.write("train", record)
    return record


def feature_cache(run: Run, data: Path, weights: str) -> FeatureCache:
    """The features of a run; all seeds share the augmented passes, which are most of the cost."""
    return FeatureCache(run.features, data, weights, run.recipe, size=(WIDTH, HEIGHT), seed=SEED)


def _last(epochs: int, recipe: Recipe) -> range:
    """The epochs, from 1, whose weights are averaged."""
    return range(max(1, epochs - recipe.averaged + 1), epochs + 1)


def average(files: Sequence[Path]) -> list[NDArray[np.float32]]:
    """The mean of the weights of several files. They are in the same valley of the loss, and the mean has a lower
    loss than each.

    Weight averaging is by Izmailov et al. 2018 (https://arxiv.org/abs/1803.05407). Batch normalisation is folded
    into the weights, so no statistics need to be computed again.
    """
    rows = [keras.models.load_model(file, compile=False).get_weights() for file in files]
    return [np.mean(column, axis=0) for column in zip(*rows, strict=True)]


def _started(run: Run, settings: dict[str, Any]) -> dict[str, Any] | None:
    """The record so far; refuses to continue with other settings."""
    if not (run.folder / "train.json").is_file():
        return None
    record = run.read("train")
    if record["settings"] != settings:
        raise RunDiffers(
            f"{run.folder} holds a training with other settings; remove it or choose another version."
        )
    return record


def _begin(
    cache: FeatureCache, sides: dict[str, list[Image]], settings: dict[str, Any], resize: str | None
) -> dict[str, Any]:
    """A new record: the settings, the recipe in words, and the resize method.

    With the `paper` recipe the method is measured unless given; `csss` uses the better one, `area`.
    """
    seed, recipe = settings["seed"], cache.recipe
    if resize is None and recipe is PAPER:
        comparison = choose_resize(cache, sides, seeds=(seed, seed + 1, seed + 2))
    else:
        comparison = {"chosen": resize or "area"}
    return {
        "settings": settings,
        "recipe": recipe_in_words(recipe),
        "resize": comparison,
        "history": [],
        "finished": False,
    }


def _weights_name(weights: str) -> dict[str, str]:
    if weights == "imagenet":
        return {"file": "imagenet"}
    return {"file": Path(weights).name, "sha256": hashlib.sha256(Path(weights).read_bytes()).hexdigest()}
