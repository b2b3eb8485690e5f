"""Run one pass over the training images, and validate the network afterwards."""

import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from tqdm import tqdm

from csss.inference.scaling import calibrate as scale
from training.data.dataset import LABELS, Image
from training.data.findings import FINDINGS, NAMES, NO_FINDING, UNKNOWN, VIEWS
from training.fitting import network
from training.measuring.metrics import auroc, log_loss, macro_f1
from training.measuring.scaling import fit_with_bias, with_bias
from training.recipes import Recipe

# From a batch (images, ...) to the target probabilities of classes (images, 6) and of what is known besides
# (images, len(NAMES); None when the teachers do not say it).
Teacher = Callable[[NDArray[np.float32]], tuple[NDArray[np.float32], NDArray[np.float32] | None]]


def targets(images: list[Image]) -> NDArray[np.int64]:
    """Class numbers of images."""
    return np.array([LABELS.index(image.label) for image in images], dtype=np.int64)


def one_hot(images: list[Image]) -> NDArray[np.float32]:
    """The labels of images as one-hot rows; a row of zeros, which teaches nothing, for one without a class."""
    return np.array([[label == image.label for label in LABELS] for image in images], dtype=np.float32)


def pool_of(image: Image) -> str:
    """What is sampled together: the class and the kind of scan. Normal X-rays of NIH are a pool of their own: no other
    source has normal ones and sick ones."""
    apart = image.stratum == "Normal/chest_xray" and image.group.startswith("nih-")
    return f"{image.stratum}/nih" if apart else image.stratum


def sampling_order(images: list[Image], balance: float, random: np.random.Generator) -> NDArray[np.int64]:
    """The images of one epoch, as many as there are: each once, or sampled so that rare pools occur more often.

    A pool of n images has a share proportional to n ** (1 - balance).
    """
    if not balance:
        return random.permutation(len(images))
    counts = Counter(map(pool_of, images))
    weights = np.array([counts[pool_of(image)] ** -balance for image in images]) * _within_pools(images)
    # Low variance: an image of weight 2.3 occurs two or three times, never zero times.
    wanted = weights / weights.sum() * len(images)
    times = np.floor(wanted).astype(np.int64) + (random.random(len(images)) < wanted % 1)
    return random.permutation(np.repeat(np.arange(len(images)), times))


def _within_pools(images: list[Image]) -> NDArray[np.float64]:
    """The weight of each image within its pool, 1 on average: the same for each X-ray, and for each patient of a pool of
    hearts, however many slices there are of each."""
    slices, sizes = Counter(image.group for image in images), Counter(map(pool_of, images))
    people = Counter(pool for pool, _ in {(pool_of(image), image.group) for image in images})
    return np.array(
        [
            sizes[pool_of(image)] / people[pool_of(image)] / slices[image.group]
            if image.kind == "cardiac_mri"
            else 1.0
            for image in images
        ]
    )


def mixed(
    random: np.random.Generator, share: float, arrays: Sequence[NDArray[np.float32]]
) -> list[NDArray[np.float32]]:
    """Mix each image of a batch with a fraction of another one, and its class with the same fraction of the
    other's.

    Mixup (Zhang et al. 2018, https://arxiv.org/abs/1710.09412) on feature maps; `share` is the parameter of the
    beta distribution. The first image of a pair always has the larger fraction, so its other labels may stay
    unchanged.
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
    """Training data: features, classes as one-hot rows, further labels, and views (`training.data.findings`).

    With a teacher, its predictions for each batch replace the classes, and half of each further label that is known
    (`training.fitting.distil`).
    """

    x: NDArray[Any]
    classes: NDArray[np.float32]
    known: NDArray[np.float32]
    teacher: Teacher | None = None
    views: NDArray[np.float32] | None = None


def _batches(
    lesson: Lesson, recipe: Recipe, order: NDArray[np.int64], random: np.random.Generator
) -> Iterator[tuple[Any, tuple[Any, ...]]]:
    for start in range(0, len(order), recipe.batch):
        part = order[start : start + recipe.batch]
        given = [lesson.x[part].astype(np.float32), lesson.classes[part]]
        given += [] if lesson.views is None else [lesson.views[part]]
        if recipe.mixup:
            given = mixed(random, recipe.mixup, given)
        pictures, wanted, *views = given
        known = lesson.known[part]
        if lesson.teacher:
            wanted, known = _taught(lesson.teacher(pictures), lesson.classes[part], known)
        yield pictures, (wanted, *([known] if recipe.findings else []), *views)


def _taught(
    said: tuple[NDArray[np.float32], NDArray[np.float32] | None],
    classes: NDArray[np.float32],
    known: NDArray[np.float32],
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The teachers' classes for images that have one, and the mean of known labels and what the teachers say."""
    wanted, further = said
    wanted = wanted * (classes.sum(axis=1, keepdims=True) > 0)
    if further is None:
        return wanted, known
    return wanted, np.where(known == UNKNOWN, UNKNOWN, (known + further) / 2).astype(np.float32)


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
    views: NDArray[np.float32] | None = None,
) -> dict[str, float]:
    """One pass of gradient steps in an order that depends only on seed and epoch, so that a resumed run is
    identical.

    `known` and `views` are the labels of `training.data.findings`, `classes` are targets that replace the images' labels,
    and a `teacher` replaces the classes. Several GPUs share each batch.
    """
    random = np.random.default_rng((seed, epoch))
    order = sampling_order(images, recipe.balance, random)
    classes = one_hot(images) if classes is None else classes
    known = np.full((len(images), len(NAMES)), UNKNOWN, np.float32) if known is None else known

    def batches() -> Iterator[tuple[Any, tuple[Any, ...]]]:
        """The same batches each time: `fit` looks at the first one before it begins."""
        return _batches(Lesson(x, classes, known, teacher, views), recipe, order, deepcopy(random))

    if model.distribute_strategy.num_replicas_in_sync > 1:
        return _one_epoch_on_several(model, batches, x.shape[1:], recipe)
    total: Counter[str] = Counter()
    quiet = recipe.first_trained is None  # takes only a second or two
    steps = math.ceil(len(order) / recipe.batch)
    for pictures, wanted in tqdm(
        batches(), total=steps, desc=f"epoch {epoch + 1}", unit="batch", disable=quiet, leave=False
    ):
        model.reset_metrics()  # the result then covers only this batch, in every version of Keras
        found = model.train_on_batch(pictures, list(wanted), return_dict=True)
        total.update({name: float(value) * len(pictures) for name, value in found.items()})
    return _named({name: value / len(order) for name, value in total.items()})


def _one_epoch_on_several(
    model: Any, batches: Callable[[], Iterator[Any]], shape: tuple[int, ...], recipe: Recipe
) -> dict[str, float]:
    """The same for several GPUs that share each batch: `fit` distributes it."""
    widths = (
        len(LABELS),
        *([len(NAMES)] if recipe.findings else []),
        *([len(VIEWS)] if recipe.apart else []),
    )
    kinds = tuple(tf.TensorSpec((None, width), tf.float32) for width in widths)
    signature = (tf.TensorSpec((None, *shape), tf.float32), kinds)
    data = tf.data.Dataset.from_generator(batches, output_signature=signature).prefetch(2)
    found = model.fit(data, epochs=1, shuffle=False, verbose=0).history
    return _named({name: float(values[-1]) for name, values in found.items()})


def _named(found: dict[str, float]) -> dict[str, float]:
    """Loss and accuracy under the same names, with or without a second output."""
    names = {"loss": "loss", "accuracy": "accuracy", "probabilities_accuracy": "accuracy"}
    names |= {name: name for name in ("findings_loss", "view_loss")}
    return {names[name]: value for name, value in found.items() if name in names}


def predict(model: Any, x: NDArray[Any], output: str = "probabilities") -> NDArray[np.float32]:
    """The output of that name (class `probabilities`, `findings`, `view`) for cached features, in batches of float32."""
    model = network.classifier(model, output)
    forward = tf.function(lambda part: model(part, training=False), reduce_retracing=True)
    parts = [forward(x[start : start + 64].astype(np.float32)) for start in range(0, len(x), 64)]
    return np.concatenate([np.asarray(part) for part in parts])


def validate(
    model: Any, x: NDArray[Any], y: NDArray[np.int64], known: NDArray[np.float32] | None = None
) -> dict[str, float]:
    """Loss, accuracy and macro-F1 on the validation set; the loss is plain cross-entropy for every recipe.

    `val_scaled_loss` is the loss after fitting temperature and class biases, as calibration will do. With the labels of
    `training.data.findings`, also the AUROC of `No_Finding`, and the mean of those of the fourteen findings.
    """
    found = predict(model, x)
    temperature, bias = fit_with_bias(y, found)
    scaled = scale(with_bias(found.astype(np.float64), temperature, bias), temperature)
    row = {
        "val_loss": log_loss(y, found),
        "val_accuracy": float((found.argmax(axis=1) == y).mean()),
        "val_macro_f1": macro_f1(y, found),
        "val_scaled_loss": log_loss(y, scaled),
        "val_scaled_macro_f1": macro_f1(y, scaled),
    }
    areas = {} if known is None else areas_of(known, predict(model, x, "findings"))
    if NO_FINDING in areas:
        row["val_no_finding_auroc"] = areas.pop(NO_FINDING)
    if areas:
        row["val_findings_auroc"] = float(np.mean(list(areas.values())))
    return row


def areas_of(known: NDArray[np.float32], said: NDArray[Any]) -> dict[str, float]:
    """The AUROC of each of `FINDINGS`, from labels and scores (images, 15 columns or more); unknown labels do not count.
    A finding that no image has, or every image, is left out."""
    found = {}
    for place, name in enumerate(FINDINGS):
        rows = known[:, place] != UNKNOWN
        area = auroc(known[rows, place] == 1, said[rows, place])
        if not math.isnan(area):
            found[name] = area
    return found


def stalled(history: list[dict[str, float]], recipe: Recipe) -> bool:
    """Whether the monitored metric has not improved for as many epochs as the recipe's patience."""
    return len(history) - best_epoch(history, recipe) >= recipe.patience


def best_epoch(history: list[dict[str, float]], recipe: Recipe) -> int:
    """The first epoch, from 1, with the best value of the monitored metric."""
    best = 0
    for index, row in enumerate(history):
        if recipe.better(row[recipe.monitor], history[best][recipe.monitor]):
            best = index
    return best + 1
