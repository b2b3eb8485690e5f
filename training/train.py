"""Train as a recipe says, on cached output of the layers that stay as they are; early stopping, best epoch kept."""

import hashlib
import math
from collections import Counter
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from csss.inference.labels import RESIZE_METHODS
from training import network
from training.data import LABELS, Image
from training.features import LARGE, PLAIN, FeatureCache
from training.metrics import log_loss, macro_f1
from training.recipes import PAPER, Recipe
from training.run import HEIGHT, SEED, WIDTH, Run


def targets(images: list[Image]) -> NDArray[np.int64]:
    """Class numbers of images."""
    return np.array([LABELS.index(image.label) for image in images], dtype=np.int64)


def sampling_order(images: list[Image], balance: float, random: np.random.Generator) -> NDArray[np.int64]:
    """The images of one epoch, as many as there are: each once, or drawn so that rare strata come more often.

    A stratum (class and kind of scan) of n images has a share proportional to n ** (1 - balance).
    """
    if not balance:
        return random.permutation(len(images))
    counts = Counter(image.stratum for image in images)
    weights = np.array([counts[image.stratum] ** -balance for image in images])
    # Low variance: an image of weight 2.3 comes twice or three times, never not at all.
    wanted = weights / weights.sum() * len(images)
    times = np.floor(wanted).astype(np.int64) + (random.random(len(images)) < wanted % 1)
    return random.permutation(np.repeat(np.arange(len(images)), times))


def one_epoch(
    model: Any, x: NDArray[Any], images: list[Image], recipe: Recipe, *, seed: int, epoch: int
) -> dict[str, float]:
    """One pass of gradient steps in an order that depends on seed and epoch only, so that a resumed run is equal."""
    order = sampling_order(images, recipe.balance, np.random.default_rng((seed, epoch)))
    one_hot = keras.utils.to_categorical(targets(images), len(LABELS))
    total = np.zeros(2)
    starts = range(0, len(order), recipe.batch)
    quiet = recipe.first_trained is None  # a second or two
    for start in tqdm(starts, desc=f"epoch {epoch + 1}", unit="batch", disable=quiet, leave=False):
        part = order[start : start + recipe.batch]
        model.reset_metrics()  # what comes back is then of this batch alone, in every version of Keras
        found = model.train_on_batch(x[part].astype(np.float32), one_hot[part])
        total += np.array([float(value) for value in found]) * len(part)
    loss, accuracy = total / len(order)
    return {"loss": float(loss), "accuracy": float(accuracy)}


def predict(model: Any, x: NDArray[Any]) -> NDArray[np.float32]:
    """Probabilities for cached features, in batches of float32."""
    parts = [
        model(x[start : start + 64].astype(np.float32), training=False) for start in range(0, len(x), 64)
    ]
    return np.concatenate([np.asarray(part) for part in parts])


def validate(model: Any, x: NDArray[Any], y: NDArray[np.int64]) -> dict[str, float]:
    """Loss, accuracy and macro-F1 on the validation set; the loss is plain cross-entropy for every recipe."""
    found = predict(model, x)
    return {
        "val_loss": log_loss(y, found),
        "val_accuracy": float((found.argmax(axis=1) == y).mean()),
        "val_macro_f1": macro_f1(y, found),
    }


def stalled(history: list[dict[str, float]], recipe: Recipe) -> bool:
    """Whether the monitored figure has not improved for as many epochs as the recipe's patience."""
    return len(history) - best_epoch(history, recipe) >= recipe.patience


def best_epoch(history: list[dict[str, float]], recipe: Recipe) -> int:
    """The first epoch, from 1, with the best value of the monitored figure."""
    best = 0
    for index, row in enumerate(history):
        if recipe.better(row[recipe.monitor], history[best][recipe.monitor]):
            best = index
    return best + 1


def choose_resize(
    cache: FeatureCache, sides: dict[str, list[Image]], seeds: tuple[int, ...]
) -> dict[str, Any]:
    """Train a head per resize method and seed on the first augmented pass; the better validation macro-F1 wins.

    Each head is scored on the validation pictures as they are stored and on the same ones as large scans. The stored
    ones, 320 pixels at most, cannot show what bilinear sampling loses on a scan of full size, and both kinds will be
    met; so the mean of the two scores decides.
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


def train(run: Run, data: Path, weights: str, seed: int = SEED, resize: str | None = None) -> dict[str, Any]:
    """Train, or go on with a killed training, and return the record that is kept as `train.json`."""
    recipe = run.recipe
    sides = run.images(data)
    cache = FeatureCache(run.folder / "features", data, weights, recipe, size=(WIDTH, HEIGHT), seed=seed)
    settings = {"seed": seed, "weights": _weights_name(weights), "images": len(sides["train"])}
    record = _started(run, settings) or _begin(cache, sides, settings, resize)
    method = record["resize"]["chosen"]
    x_val, y_val = cache.get(sides["val"], "val", method, PLAIN), targets(sides["val"])
    history: list[dict[str, float]] = record["history"]
    run.epoch_file(1).parent.mkdir(parents=True, exist_ok=True)
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
        row = one_epoch(model, x_train, sides["train"], recipe, seed=seed, epoch=len(history))
        row |= validate(model, x_val, y_val)
        model.save(run.epoch_file(len(history) + 1))
        history.append(row)
        record["best_epoch"] = best_epoch(history, recipe)
        run.write("train", record)
        bar.update()
        bar.set_postfix({key: f"{row[key]:.4f}" for key in ("val_loss", "val_accuracy", "val_macro_f1")})
    bar.close()
    record["finished"] = True
    run.write("train", record)
    return record


def _started(run: Run, settings: dict[str, Any]) -> dict[str, Any] | None:
    """The record so far; refuses to go on with other settings."""
    if not (run.folder / "train.json").is_file():
        return None
    record = run.read("train")
    if record["settings"] != settings:
        raise ValueError(
            f"{run.folder} holds a training with other settings; remove it or choose another version."
        )
    return record


def _begin(
    cache: FeatureCache, sides: dict[str, list[Image]], settings: dict[str, Any], resize: str | None
) -> dict[str, Any]:
    """A new record: the settings, the recipe in words, and the resize method.

    The method is measured with the `paper` recipe unless it is given; `csss` takes the better one, `area`.
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


def recipe_in_words(recipe: Recipe) -> dict[str, Any]:
    """What metrics.json and the model card say of a recipe."""
    frozen = recipe.first_trained is None
    smoothing = f", label smoothing {recipe.label_smoothing:g}" if recipe.label_smoothing else ""
    schedule = ", short warm-up, then cosine" if recipe.cosine else ""
    return {
        "name": recipe.name,
        "base": "MobileNetV2, frozen"
        if frozen
        else f"MobileNetV2, trained from {recipe.first_trained} on, batch normalisation frozen",
        "head": f"GlobalAveragePooling2D, Dense({network.HIDDEN}, ReLU), Dense({len(LABELS)}, softmax)",
        "scaling": "-1..1, inside the network" if recipe.scaled else "0..1",
        "optimizer": f"Adam, learning rate {recipe.learning_rate:.0e}".replace("e-0", "e-") + schedule,
        "loss": "categorical cross-entropy" + smoothing,
        "batch": recipe.batch,
        "epochs_at_most": recipe.epochs,
        "patience": recipe.patience,
        "monitor": recipe.monitor,
        "dropout": recipe.dropout,
        "balance": recipe.balance,
        "passes": recipe.passes,
        "augmentation": recipe.words,
    }


def _weights_name(weights: str) -> dict[str, str]:
    if weights == "imagenet":
        return {"file": "imagenet"}
    return {"file": Path(weights).name, "sha256": hashlib.sha256(Path(weights).read_bytes()).hexdigest()}
