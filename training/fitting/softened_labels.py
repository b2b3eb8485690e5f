"""Soften labels with networks that have not seen the patient.

Lung_Opacity and NIH_MERGED are distinguished by a single reading, and readers disagree. A network that learns such
labels as certain becomes overconfident. So the training images are divided into folds by patient, networks of the
same recipe are trained on the other folds, and a part of each label is replaced by their predictions: distillation
(Hinton et al. 2015, https://arxiv.org/abs/1503.02531) from teachers that cannot have memorised the image.
"""

import math
import random
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.data.dataset import LABELS, Image
from training.data.findings import views
from training.fitting import network
from training.fitting.epochs import one_epoch, predict
from training.fitting.features import PLAIN, FeatureCache
from training.run import SEED, Run

FOLDS = 3
TEACHERS = 1
"""Networks per fold, with different seeds; the mean of their predictions counts. A second one takes two cores as
much time again as the student network."""


def fold_of(images: list[Image], folds: int = FOLDS) -> NDArray[np.int64]:
    """The fold of each image: all images of a patient are in one fold; the patients of a class and kind of scan are
    dealt in turn."""
    groups = sorted({(image.stratum, image.group) for image in images})
    random.Random(SEED).shuffle(groups)
    dealt: dict[str, int] = {}
    for place, (_, group) in enumerate(sorted(groups, key=lambda pair: pair[0])):
        dealt.setdefault(group, place % folds)
    return np.array([dealt[image.group] for image in images], dtype=np.int64)


def softened(
    run: Run, cache: FeatureCache, images: list[Image], *, classes: NDArray[np.float32], known: NDArray[np.float32],
    resize: str,
) -> NDArray[np.float32]:  # fmt: skip
    """Classes (images, classes) in which the teachers determine the fraction `recipe.softened` of each label.

    Each teacher's predictions are stored in the run's folder, so that an interrupted run continues with the next
    one.
    """
    share, folds = run.recipe.softened, fold_of(images)
    said = np.zeros_like(classes)
    for fold in range(FOLDS):
        held = np.flatnonzero(folds == fold)
        for number in range(TEACHERS):
            file = run.root / "teachers" / f"fold-{fold}-{number}.npy"
            if not file.is_file():
                file.parent.mkdir(parents=True, exist_ok=True)
                _keep(
                    file, _answers(cache, images, known=known, resize=resize, held=held, seed=SEED + number)
                )
            said[held] += np.load(file) / TEACHERS
    return np.asarray((1 - share) * classes + share * said, dtype=np.float32)


def _answers(
    cache: FeatureCache, images: list[Image], *, known: NDArray[np.float32], resize: str, held: NDArray[np.int64],
    seed: int,
) -> NDArray[np.float32]:  # fmt: skip
    """Predictions for the held-out images by a network that learned from all other images."""
    recipe = cache.recipe
    others = np.setdiff1d(np.arange(len(images)), held)
    chosen = [images[index] for index in others]
    model: Any = network.build_trained_part(
        recipe, cache.weights, len(LABELS), seed, math.ceil(len(others) / recipe.batch)
    )
    shown = views(chosen) if recipe.apart else None
    for epoch in range(recipe.epochs):
        x = cache.get(images, "train", resize, epoch % recipe.passes)[others]
        one_epoch(model, x, chosen, recipe, seed=seed, epoch=epoch, known=known[others], views=shown)
    return predict(model, cache.get(images, "train", resize, PLAIN)[held])


def _keep(file: Path, answers: NDArray[np.float32]) -> None:
    partial = file.with_suffix(".partial.npy")
    np.save(partial, answers)
    partial.replace(file)  # an interrupted run must not leave a partial file that looks complete
