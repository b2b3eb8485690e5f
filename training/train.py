"""Train as a recipe says, on cached output of the layers that stay as they are; early stopping, best epoch kept."""

import hashlib
import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from tqdm import tqdm

from csss.inference.engine import calibrate as scale
from csss.inference.labels import RESIZE_METHODS
from training import network, strategy
from training.data import LABELS, Image
from training.features import LARGE, PLAIN, FeatureCache
from training.findings import NAMES, UNKNOWN, findings
from training.metrics import log_loss, macro_f1
from training.recipes import PAPER, Recipe
from training.run import HEIGHT, SEED, WIDTH, Run, RunDiffers
from training.scaling import fit_with_bias, with_bias
from training.softened import softened
from training.words import recipe_in_words

# From a batch (images, ...) to what is to be learned of it, (images, classes).
Teacher = Callable[[NDArray[np.float32]], NDArray[np.float32]]


def targets(images: list[Image]) -> NDArray[np.int64]:
    """Class numbers of images."""
    return np.array([LABELS.index(image.label) for image in images], dtype=np.int64)


def one_hot(images: list[Image]) -> NDArray[np.float32]:
    """The labels of images as rows of noughts and a one."""
    rows: NDArray[np.float32] = keras.utils.to_categorical(targets(images), len(LABELS)).astype(np.float32)
    return rows


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


def mixed(
    random: np.random.Generator, share: float, arrays: Sequence[NDArray[np.float32]]
) -> list[NDArray[np.float32]]:
    """Each image of a batch with a part of another one, and its class with the same part of the other's.

    Mixup of Zhang et al. 2018 (https://arxiv.org/abs/1710.09412) on feature maps; `share` is the parameter of the beta
    distribution. The first image of a pair always has the larger part, so what else is known of it may stay as it is.
    """
    other = random.permutation(len(arrays[0]))
    part = random.beta(share, share, size=len(other)).astype(np.float32)
    part = np.maximum(part, 1 - part)
    made = []
    for array in arrays:
        weight = part.reshape(-1, *[1] * (array.ndim - 1))
        made.append(weight * array + (1 - weight) * array[other])
    return made


@dataclass(frozen=True)
class Lesson:
    """What there is to learn from: features, classes as one-hot rows, and what else is known (`training.findings`).

    A teacher answers each batch as it is shown, and the classes do not count (`training.distil`).
    """

    x: NDArray[Any]
    classes: NDArray[np.float32]
    known: NDArray[np.float32]
    teacher: Teacher | None = None


def _batches(
    lesson: Lesson, recipe: Recipe, order: NDArray[np.int64], random: np.random.Generator
) -> Iterator[tuple[Any, tuple[Any, ...]]]:
    for start in range(0, len(order), recipe.batch):
        part = order[start : start + recipe.batch]
        pictures, wanted = lesson.x[part].astype(np.float32), lesson.classes[part]
        if recipe.mixup:
            pictures, wanted = mixed(random, recipe.mixup, (pictures, wanted))
        if lesson.teacher:
            wanted = lesson.teacher(pictures)
        yield pictures, (wanted, lesson.known[part])[: 2 if recipe.findings else 1]


def one_epoch(
    model: Any,
    x: NDArray[Any],
    images: list[Image],
    recipe: Recipe,
    *,
    seed: int,
    epoch: int,
    known: NDArray[np.float32] | None = None,
    classes: NDArray[np.float32] | None = None,
    teacher: Teacher | None = None,
) -> dict[str, float]:
    """One pass of gradient steps in an order that depends on seed and epoch only, so that a resumed run is equal.

    `known` is what `training.findings` says of the images, `classes` what to learn instead of their labels, and a
    `teacher` answers instead of either. Several graphics cards share each batch.
    """
    random = np.random.default_rng((seed, epoch))
    order = sampling_order(images, recipe.balance, random)
    classes = one_hot(images) if classes is None else classes
    known = np.full((len(images), len(NAMES)), UNKNOWN, np.float32) if known is None else known

    def batches() -> Iterator[tuple[Any, tuple[Any, ...]]]:
        """The same ones each time: `fit` looks at the first before it begins."""
        return _batches(Lesson(x, classes, known, teacher), recipe, order, deepcopy(random))

    if model.distribute_strategy.num_replicas_in_sync > 1:
        return _one_epoch_on_several(model, batches, x.shape[1:], recipe)
    total: Counter[str] = Counter()
    quiet = recipe.first_trained is None  # a second or two
    steps = math.ceil(len(order) / recipe.batch)
    for pictures, wanted in tqdm(
        batches(), total=steps, desc=f"epoch {epoch + 1}", unit="batch", disable=quiet, leave=False
    ):
        model.reset_metrics()  # what comes back is then of this batch alone, in every version of Keras
        found = model.train_on_batch(pictures, list(wanted), return_dict=True)
        total.update({name: float(value) * len(pictures) for name, value in found.items()})
    return _named({name: value / len(order) for name, value in total.items()})


def _one_epoch_on_several(
    model: Any, batches: Callable[[], Iterator[Any]], shape: tuple[int, ...], recipe: Recipe
) -> dict[str, float]:
    """The same where several graphics cards share each batch: `fit` hands every card its part."""
    kinds = [tf.TensorSpec((None, width), tf.float32) for width in (len(LABELS), len(NAMES))]
    signature = (tf.TensorSpec((None, *shape), tf.float32), tuple(kinds[: 2 if recipe.findings else 1]))
    data = tf.data.Dataset.from_generator(batches, output_signature=signature).prefetch(2)
    found = model.fit(data, epochs=1, shuffle=False, verbose=0).history
    return _named({name: float(values[-1]) for name, values in found.items()})


def _named(found: dict[str, float]) -> dict[str, float]:
    """Loss and accuracy, by one name whether there is a second output or not."""
    names = {"loss": "loss", "accuracy": "accuracy", "probabilities_accuracy": "accuracy"}
    names["findings_loss"] = "findings_loss"
    return {names[name]: value for name, value in found.items() if name in names}


def predict(model: Any, x: NDArray[Any]) -> NDArray[np.float32]:
    """Probabilities for cached features, in batches of float32."""
    model = network.classifier(model)
    forward = tf.function(lambda part: model(part, training=False), reduce_retracing=True)
    parts = [forward(x[start : start + 64].astype(np.float32)) for start in range(0, len(x), 64)]
    return np.concatenate([np.asarray(part) for part in parts])


def validate(model: Any, x: NDArray[Any], y: NDArray[np.int64]) -> dict[str, float]:
    """Loss, accuracy and macro-F1 on the validation set; the loss is plain cross-entropy for every recipe.

    `val_scaled_loss` is the loss that is left once temperature and class biases are fitted, as calibration will do.
    """
    found = predict(model, x)
    temperature, bias = fit_with_bias(y, found)
    scaled = scale(with_bias(found.astype(np.float64), temperature, bias), temperature)
    return {
        "val_loss": log_loss(y, found),
        "val_accuracy": float((found.argmax(axis=1) == y).mean()),
        "val_macro_f1": macro_f1(y, found),
        "val_scaled_loss": log_loss(y, scaled),
        "val_scaled_macro_f1": macro_f1(y, scaled),
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


def train(
    run: Run,
    data: Path,
    weights: str,
    resize: str | None = None,
    *,
    teacher: Teacher | None = None,
    taught_by: Sequence[str] = (),
) -> dict[str, Any]:
    """Train, or go on with a killed training, and return the record that is kept as `train.json`.

    `taught_by` are the SHA-256 of the files of the networks behind `teacher`. Raises `RunDiffers` when the training was
    begun with other settings.
    """
    recipe, seed = run.recipe, run.seed
    sides = run.images(data)
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
    x_val, y_val = cache.get(sides["val"], "val", method, PLAIN), targets(sides["val"])
    known = findings(sides["train"], data)
    classes = one_hot(sides["train"])
    if recipe.softened and teacher is None:
        classes = softened(run, cache, sides["train"], classes=classes, known=known, resize=method)
    history: list[dict[str, float]] = record["history"]
    run.epoch_file(1).parent.mkdir(parents=True, exist_ok=True)
    with strategy.apply().scope():
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
        )
        row |= validate(model, x_val, y_val)
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
        row = validate(model, x_val, y_val)
        best = history[record["best_epoch"] - 1][recipe.monitor]
        record["average"] = {"epochs": list(_last(len(history), recipe)), **row}
        record["average_kept"] = recipe.better(row[recipe.monitor], best)
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
    """The mean of the weights of several files; they lie in one valley of the loss, the mean lower than each.

    Weight averaging is of Izmailov et al. 2018 (https://arxiv.org/abs/1803.05407). Batch normalisation is folded into
    the weights, so nothing needs to be measured again.
    """
    rows = [keras.models.load_model(file, compile=False).get_weights() for file in files]
    return [np.mean(column, axis=0) for column in zip(*rows, strict=True)]


def _started(run: Run, settings: dict[str, Any]) -> dict[str, Any] | None:
    """The record so far; refuses to go on with other settings."""
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


def _weights_name(weights: str) -> dict[str, str]:
    if weights == "imagenet":
        return {"file": "imagenet"}
    return {"file": Path(weights).name, "sha256": hashlib.sha256(Path(weights).read_bytes()).hexdigest()}
