"""Write drawn pictures that are no scan to files, so that they are learned from as every other image is.

They are of the kinds of `training.measuring.other_pictures` that a program draws, from other random numbers than the
pictures that the outlier score is measured with. Photographs and other body parts are never learned from.
"""

from pathlib import Path

import cv2
import numpy as np

from training.data.collection import NONE
from training.data.dataset import Image
from training.measuring.other_pictures import KINDS
from training.run import Run

LEARNED = ("documents", "screens", "charts", "blank", "noise", "shapes")
SEEDS = {"train": 1042, "val": 1043}


def drawn(folder: Path, side: str) -> list[Image]:
    """The drawn pictures of a side (`train`, `val`), written to `folder` when missing; their paths are absolute."""
    folder.mkdir(parents=True, exist_ok=True)
    images = []
    for number, kind in enumerate(LEARNED):
        random = np.random.default_rng((SEEDS[side], number))
        for place, picture in enumerate(KINDS[kind](random)):
            file = folder / f"{side}-{kind}-{place:02d}.png"
            if not file.is_file():
                partial = file.with_suffix(".partial.png")
                if not cv2.imwrite(str(partial), cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)):
                    raise OSError(f"OpenCV could not write {partial}.")
                partial.replace(file)
            group = f"drawn-{side}-{kind}-{place}"
            images.append(Image(str(file.resolve()), NONE, "drawn", group, picture.shape[1]))
    return images


def learned(run: Run, side: str) -> list[Image]:
    """What a network learns from (`train`) or is chosen by (`val`): the images with a class first, then, where the recipe
    says what a picture is, lateral views and drawn pictures."""
    images = run.images()[side]
    if not run.recipe.apart:
        return images
    return images + run.images(classes=False)[side] + drawn(run.root / "drawn", side)
