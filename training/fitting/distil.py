"""Distil several networks into one.

The mean prediction of networks with several seeds is better than each of them, but takes several times as long per
scan. So a network of the same size learns that mean: distillation of an ensemble (Hinton et al. 2015,
https://arxiv.org/abs/1503.02531). The teachers see the same picture as the student, mixed and augmented, and
predict it at each step: "patient and consistent" teaching (Beyer et al. 2022, https://arxiv.org/abs/2106.05237).
Labels are not used, because the teachers have learned them; the second output learns as in every other training.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from training.fitting.epochs import Teacher
from training.fitting.train import train
from training.run import SEED, Run, RunDiffers


def seeds_of(run: Run) -> list[int]:
    """The seeds of the teacher networks: as many as the recipe says, the default seed first."""
    return list(range(SEED, SEED + run.recipe.panel))


def panel(files: Sequence[Path]) -> Teacher:
    """A function from a batch (images, ...) to the mean of what the networks in `files` say: class probabilities, and
    what they say besides, if they do."""
    loaded = [keras.models.load_model(file, compile=False) for file in files]
    names = [
        name for name in ("probabilities", "findings") if any(each.name == name for each in loaded[0].layers)
    ]
    members = [keras.Model(each.input, [each.get_layer(name).output for name in names]) for each in loaded]

    @tf.function(reduce_retracing=True)
    def mean(batch: Any) -> Any:
        said = [member(batch, training=False) for member in members]
        return [tf.add_n(list(parts)) / len(members) for parts in zip(*said, strict=True)]

    def teacher(batch: Any) -> Any:
        classes, *further = [np.asarray(part) for part in mean(batch)]
        return classes, (further[0] if further else None)

    return teacher


def distil(run: Run, data: Path, weights: str, resize: str | None = None) -> dict[str, Any]:
    """Train missing teachers, then the network that learns from them; returns its record.

    Raises `RunDiffers` when the teachers were trained with different resize methods, or when a student was started
    with other teachers.
    """
    files = []
    for seed in seeds_of(run):
        member = run.of_seed(seed)
        record = train(member, data, weights, resize)
        resize = resize or record["resize"]["chosen"]
        if record["resize"]["chosen"] != resize:
            raise RunDiffers(
                f"The network of seed {seed} was trained on pictures resized with another method than {resize}."
            )
        files.append(member.kept_file(record))
    digests = [hashlib.sha256(file.read_bytes()).hexdigest() for file in files]
    return train(run.taught(), data, weights, resize, teacher=panel(files), taught_by=digests)
