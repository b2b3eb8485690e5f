"""One network that answers as several do together.

The mean of what networks of several seeds say is better than what each says, and takes as many times as long for each
scan. So a network of the same size learns that mean: distillation of an ensemble (Hinton et al. 2015,
https://arxiv.org/abs/1503.02531). The panel sees the very picture that the learner sees, mixed and augmented, and
answers it anew at each step: "patient and consistent" teaching (Beyer et al. 2022, https://arxiv.org/abs/2106.05237).
Labels take no part; the panel has learned them, and what the second output learns is as in every other training.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from training.fitting import network
from training.fitting.epochs import Teacher
from training.fitting.train import train
from training.run import SEED, Run, RunDiffers


def seeds_of(run: Run) -> list[int]:
    """The seeds of the networks that teach: as many as the recipe says, the default seed first."""
    return list(range(SEED, SEED + run.recipe.panel))


def panel(files: Sequence[Path]) -> Teacher:
    """From a batch (images, ...) to the mean of the probabilities (images, classes) that the networks in `files` give."""
    members = [network.classifier(keras.models.load_model(file, compile=False)) for file in files]

    @tf.function(reduce_retracing=True)
    def mean(batch: Any) -> Any:
        return tf.add_n([member(batch, training=False) for member in members]) / len(members)

    return lambda batch: np.asarray(mean(batch))


def distil(run: Run, data: Path, weights: str, resize: str | None = None) -> dict[str, Any]:
    """Train the panel as far as it is not trained yet, then the network that learns from it; its record is returned.

    Raises `RunDiffers` where the networks were trained on pictures that were resized in different ways, and where a
    learner has begun with another panel.
    """
    files = []
    for seed in seeds_of(run):
        member = run.of_seed(seed)
        record = train(member, data, weights, resize)
        resize = resize or record["resize"]["chosen"]
        if record["resize"]["chosen"] != resize:
            raise RunDiffers(
                f"The network of seed {seed} was trained on pictures resized by another way than {resize}."
            )
        files.append(member.kept_file(record))
    digests = [hashlib.sha256(file.read_bytes()).hexdigest() for file in files]
    return train(run.taught(), data, weights, resize, teacher=panel(files), taught_by=digests)
