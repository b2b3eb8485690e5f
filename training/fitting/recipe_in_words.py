"""Describe a recipe in words."""

from typing import Any

from training.data.dataset import LABELS
from training.fitting import heads
from training.recipes import Recipe


def recipe_in_words(recipe: Recipe) -> dict[str, Any]:
    """The description of a recipe in metrics.json and the model card."""
    frozen = recipe.first_trained is None
    smoothing = f", label smoothing {recipe.label_smoothing:g}" if recipe.label_smoothing else ""
    schedule = ", short warm-up, then cosine" if recipe.cosine else ""
    return {
        "name": recipe.name,
        "base": "MobileNetV2, frozen"
        if frozen
        else f"MobileNetV2, trained from {recipe.first_trained} on, batch normalisation frozen",
        "head": _head(recipe),
        **({"apart": True} if recipe.apart else {}),
        "scaling": "-1..1, inside the network" if recipe.scaled else "0..1",
        "optimizer": f"{_optimizer(recipe)}, learning rate {recipe.learning_rate:.0e}".replace("e-0", "e-")
        + schedule,
        "loss": "categorical cross-entropy" + smoothing,
        "batch": recipe.batch,
        "epochs_at_most": recipe.epochs,
        "patience": recipe.patience,
        "monitor": recipe.monitor,
        "dropout": recipe.dropout,
        "balance": recipe.balance,
        "passes": recipe.passes,
        "mixup": recipe.mixup,
        "findings": recipe.findings,
        "averaged": recipe.averaged,
        "augmentation": recipe.words,
    }


def _head(recipe: Recipe) -> str:
    if recipe.apart:
        return f"GlobalAveragePooling2D, for chest and heart each Dense({heads.HIDDEN}, ReLU) and Dense(classes, softmax)"
    return f"GlobalAveragePooling2D, Dense({heads.HIDDEN}, ReLU), Dense({len(LABELS)}, softmax)"


def _optimizer(recipe: Recipe) -> str:
    return f"AdamW (weight decay {recipe.weight_decay:g})" if recipe.weight_decay else "Adam"
