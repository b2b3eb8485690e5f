"""Build the dense layers behind the pooled features, and read them back as plain arrays.

With one head: Dense(128, ReLU) and Dense(6, softmax), as published. Apart (`Recipe.apart`): the network first says what
the picture is (`csss.inference.labels.VIEWS`), and has one head for chest X-rays and one for hearts, each with a hidden
layer of its own. A class's probability is that of its kind of scan times that of the class within the kind. So no X-ray
competes with a heart, and the cross-entropy of a chest X-ray's class does not reach the head for hearts.
"""

from typing import Any, Final

import keras
import numpy as np

from csss.inference.gradcam import ClassifierHead, Linear
from csss.inference.labels import VIEWS
from training.data.dataset import LABELS
from training.data.findings import FINDINGS, NAMES
from training.recipes import Recipe

HIDDEN: Final = 128
CHEST: Final = ("COVID", "Lung_Opacity", "NIH_MERGED", "Normal", "Viral_Pneumonia")
HEART: Final = ("Normal", "Sick")
_HALVED: Final = ("hidden", "hidden_heart", "probabilities", "chest", "heart", "view", "findings")


def _places(names: tuple[str, ...]) -> Any:
    """A matrix (len(names), classes) that puts the probabilities of some classes at their places among all."""
    return np.array([[name == label for label in LABELS] for name in names], np.float32)


@keras.saving.register_keras_serializable("csss")
class ByKind(keras.layers.Layer):
    """From the probabilities of view (n, 4), chest classes (n, 5) and heart classes (n, 2) to those of all classes (n, 6).

    The fourth view, `none`, takes no part: it is a reason to refuse the picture, not a class.
    """

    def call(self, parts: list[Any]) -> Any:
        """The probabilities of all classes; they sum to one."""
        view, chest, heart = parts
        hearts = view[:, 2:3]
        chests = view[:, 0:1] + view[:, 1:2]
        whole = chests + hearts + 1e-7
        return (chests / whole) * keras.ops.matmul(chest, _places(CHEST)) + (
            hearts / whole
        ) * keras.ops.matmul(heart, _places(HEART))


def class_outputs(pooled: Any, recipe: Recipe, classes: int) -> Any:
    """Probabilities of the classes from pooled features (n, 1280), and the view's output or None."""

    def dense(name: str, units: int, source: Any, activation: str) -> Any:
        # Probabilities are in single precision even where the layers before them use half precision.
        kind = "float32" if activation == "softmax" else None
        return keras.layers.Dense(units, activation=activation, name=name, dtype=kind)(source)

    hidden = dense("hidden", HIDDEN, pooled, "relu")
    if not recipe.apart:
        return dense("probabilities", classes, hidden, "softmax"), None
    view = dense("view", len(VIEWS), pooled, "softmax")
    chest = dense("chest", len(CHEST), hidden, "softmax")
    heart = dense("heart", len(HEART), dense("hidden_heart", HIDDEN, pooled, "relu"), "softmax")
    return ByKind(name="probabilities", dtype="float32")([view, chest, heart]), view


def further_outputs(pooled: Any, recipe: Recipe) -> Any:
    """The output that learns what is known besides the class (n, len(NAMES)), or None."""
    if not recipe.findings:
        return None
    return keras.layers.Dense(len(NAMES), activation="sigmoid", name="findings", dtype="float32")(pooled)


def applied(trained: Any, pooled: Any) -> Any:
    """The class probabilities of a trained part's dense layers, applied to other pooled features."""
    layer = trained.get_layer
    hidden = layer("hidden")(pooled)
    if not is_apart(trained):
        return layer("probabilities")(hidden)
    heart = layer("heart")(layer("hidden_heart")(pooled))
    return layer("probabilities")([layer("view")(pooled), layer("chest")(hidden), heart])


def is_apart(trained: Any) -> bool:
    """Whether a trained part has a head for each kind of scan."""
    return any(each.name == "view" for each in trained.layers)


def halved(trained: Any) -> list[Any]:
    """The dense layers whose weights are rounded to half precision in the released file."""
    return [each for each in trained.layers if each.name in _HALVED and each.get_weights()]


def head_weights(trained: Any) -> ClassifierHead:
    """The dense layers of a trained part as plain arrays, as the run time reads them.

    Of two heads the hidden layers are put side by side (1280, 256). The output has a column for each class, and a last
    one for a Normal heart; the weights between a head's hidden layer and the other's classes are zero.
    """
    weights = {each.name: [np.asarray(array) for array in each.get_weights()] for each in trained.layers}
    if not is_apart(trained):
        (kernel, bias), (last, shift) = weights["hidden"], weights["probabilities"]
        return ClassifierHead(kernel, bias, last, shift)
    chest, heart = weights["chest"], weights["heart"]
    columns = len(LABELS) + 1
    kernel, bias = np.zeros((2 * HIDDEN, columns), np.float32), np.zeros(columns, np.float32)
    for place, name in enumerate(CHEST):
        column = LABELS.index(name)
        kernel[:HIDDEN, column], bias[column] = chest[0][:, place], chest[1][place]
    for place, name in enumerate(HEART):
        column = len(LABELS) if name in CHEST else LABELS.index(name)
        kernel[HIDDEN:, column], bias[column] = heart[0][:, place], heart[1][place]
    hidden, hidden_bias = (
        np.concatenate(pair, axis=-1) for pair in zip(weights["hidden"], weights["hidden_heart"], strict=True)
    )
    findings, findings_bias = (array[..., : len(FINDINGS)] for array in weights["findings"])
    view, view_bias = weights["view"]
    further = {"view": Linear(view, view_bias), "findings": Linear(findings, findings_bias)}
    return ClassifierHead(hidden, hidden_bias, kernel, bias, **further)
