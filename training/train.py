"""Train the head as the paper does: Adam 1e-4, batch 16, at most 15 epochs, early stopping with patience 3."""

import hashlib
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
from training.metrics import macro_f1
from training.run import HEIGHT, SEED, WIDTH, Run

EPOCHS = 15
PATIENCE = 3
BATCH = 16


def targets(images: list[Image]) -> NDArray[np.int64]:
    """Class numbers of images."""
    return np.array([LABELS.index(image.label) for image in images], dtype=np.int64)


def one_epoch(
    head: Any, x: NDArray[np.float32], y: NDArray[np.int64], seed: int, epoch: int
) -> dict[str, float]:
    """One pass of gradient steps in an order that depends on seed and epoch only, so that a resumed run is equal."""
    order = np.random.default_rng((seed, epoch)).permutation(len(x))
    one_hot = keras.utils.to_categorical(y, len(LABELS))
    history = head.fit(x[order], one_hot[order], batch_size=BATCH, epochs=1, shuffle=False, verbose=0)
    return {"loss": history.history["loss"][0], "accuracy": history.history["accuracy"][0]}


def validate(head: Any, x: NDArray[np.float32], y: NDArray[np.int64]) -> dict[str, float]:
    """Loss, accuracy and macro-F1 on the validation set."""
    one_hot = keras.utils.to_categorical(y, len(LABELS))
    loss, accuracy = head.evaluate(x, one_hot, batch_size=256, verbose=0)
    f1 = macro_f1(y, head.predict(x, batch_size=256, verbose=0))
    return {"val_loss": loss, "val_accuracy": accuracy, "val_macro_f1": f1}


def stalled(history: list[dict[str, float]]) -> bool:
    """Whether the validation loss has not improved for `PATIENCE` epochs."""
    return len(history) - best_epoch(history) >= PATIENCE


def best_epoch(history: list[dict[str, float]]) -> int:
    """The epoch, from 1, with the lowest validation loss."""
    return int(np.argmin([row["val_loss"] for row in history])) + 1


def choose_resize(
    cache: FeatureCache, sides: dict[str, list[Image]], seeds: tuple[int, ...]
) -> dict[str, Any]:
    """Train a head per resize method and seed on the first augmented pass; the better validation macro-F1 wins.

    Each head is scored on the validation pictures as they are stored and on the same ones as large scans. The stored
    ones, 320 pixels at most, cannot show what bilinear sampling loses on a scan of full size, and both kinds will be
    met; so the mean of the two scores decides.
    """
    y_train, y_val = targets(sides["train"]), targets(sides["val"])
    scores: dict[str, dict[str, list[float]]] = {}
    for resize in RESIZE_METHODS:
        x_train = cache.get(sides["train"], "train", resize, 0)
        x_val = {kind: cache.get(sides["val"], "val", resize, kind) for kind in (PLAIN, LARGE)}
        scores[resize] = {PLAIN: [], LARGE: []}
        for seed in tqdm(seeds, desc=f"resize {resize}", unit="seed"):
            head = network.build_head(len(LABELS), seed)
            history: list[dict[str, float]] = []
            weights = []
            while len(history) < EPOCHS and not (history and stalled(history)):
                one_epoch(head, x_train, y_train, seed, len(history))
                history.append(validate(head, x_val[PLAIN], y_val))
                weights.append(head.get_weights())
            head.set_weights(weights[best_epoch(history) - 1])
            for kind, x in x_val.items():
                scores[resize][kind].append(validate(head, x, y_val)["val_macro_f1"])
    means = {
        resize: {kind: float(np.mean(row)) for kind, row in rows.items()} for resize, rows in scores.items()
    }
    chosen = max(means, key=lambda resize: sum(means[resize].values()))
    return {"chosen": chosen, "val_macro_f1": means, "by_seed": scores, "seeds": list(seeds)}


def train(run: Run, data: Path, weights: str, seed: int = SEED, resize: str | None = None) -> dict[str, Any]:
    """Train, or go on with a killed training, and return the record that is kept as `train.json`."""
    sides = run.images(data)
    cache = FeatureCache(run.folder / "features", data, weights, size=(WIDTH, HEIGHT), seed=seed)
    settings = {"seed": seed, "weights": _weights_name(weights), "images": len(sides["train"])}
    record = _started(run, settings) or _begin(cache, sides, settings, resize)
    method = record["resize"]["chosen"]
    x_val, y_val = cache.get(sides["val"], "val", method, PLAIN), targets(sides["val"])
    y_train = targets(sides["train"])
    history: list[dict[str, float]] = record["history"]
    run.epoch_file(1).parent.mkdir(parents=True, exist_ok=True)
    head = (
        keras.models.load_model(run.epoch_file(len(history)))
        if history
        else network.build_head(len(LABELS), seed)
    )
    bar = tqdm(total=EPOCHS, initial=len(history), desc="training", unit="epoch")
    while len(history) < EPOCHS and not (history and stalled(history)):
        x_train = cache.get(sides["train"], "train", method, len(history))
        row = one_epoch(head, x_train, y_train, seed, len(history))
        row |= validate(head, x_val, y_val)
        head.save(run.epoch_file(len(history) + 1))
        history.append(row)
        record["best_epoch"] = best_epoch(history)
        run.write("train", record)
        bar.update()
        bar.set_postfix(val_loss=f"{row['val_loss']:.4f}", val_accuracy=f"{row['val_accuracy']:.4f}")
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
    """A new record: the settings, the recipe in words, and the resize method, measured unless it is given."""
    seed = settings["seed"]
    comparison = (
        {"chosen": resize} if resize else choose_resize(cache, sides, seeds=(seed, seed + 1, seed + 2))
    )
    return {
        "settings": settings,
        "recipe": {
            "base": "MobileNetV2, frozen",
            "head": f"GlobalAveragePooling2D, Dense({network.HIDDEN}, ReLU), Dense({len(LABELS)}, softmax)",
            "optimizer": "Adam, learning rate 1e-4",
            "loss": "categorical cross-entropy",
            "batch": BATCH,
            "epochs_at_most": EPOCHS,
            "patience": PATIENCE,
            "augmentation": "rotation 10 degrees, zoom 0.1, horizontal flip",
        },
        "resize": comparison,
        "history": [],
        "finished": False,
    }


def _weights_name(weights: str) -> dict[str, str]:
    if weights == "imagenet":
        return {"file": "imagenet"}
    return {"file": Path(weights).name, "sha256": hashlib.sha256(Path(weights).read_bytes()).hexdigest()}
