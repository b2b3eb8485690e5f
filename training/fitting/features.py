"""Cache the output of the frozen layers.

The output of a frozen layer for an image never changes. So each augmented pass over the training set is computed
once, up to the last frozen layer, and stored as a file: pooled features when the whole base is frozen, and
half-precision feature maps (14 x 14 x 64) when the upper blocks are trained. A pass is computed when an epoch needs
it, so early stopping saves the rest, and an interrupted run continues with its current pass. The layers run through
LiteRT, which is about three times as fast on a CPU as TensorFlow and has exactly the arithmetic of run time.
"""

import math
import os
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray
from tqdm import tqdm

from csss.inference.engine import usable_cores
from csss.inference.preprocessing import decode, preprocess
from training.data.augment import SMALL_SIDE, augment, reduce_to
from training.data.dataset import Image
from training.recipes import Recipe

BATCH = 16
AHEAD = 3
"""Batches of pictures that are prepared while the network works on another one."""
PLAIN = "plain"
LARGE = "large"
SMALL = "small"
LARGE_SIDE = 1024
LARGE_GRAIN = 2.6
"""Standard deviation, in grey levels, of the detail that two full-size NIH scans lose when reduced to 320 pixels."""


def as_large_scan(picture: NDArray[np.uint8], seed: int, index: int) -> NDArray[np.uint8]:
    """The picture at the size of a hospital's scan, with noise in place of the detail that it lost when stored.

    The data folder has nothing above 320 pixels per side, but real scans have 1,000 to 4,000; this simulates them
    for the comparison of two resize methods.
    """
    scale = LARGE_SIDE / max(picture.shape[:2])
    size = (round(picture.shape[1] * scale), round(picture.shape[0] * scale))
    grain = np.random.default_rng((seed, index)).normal(0, LARGE_GRAIN, (size[1], size[0], 1))
    enlarged = cv2.resize(picture, size, interpolation=cv2.INTER_CUBIC)
    return np.clip(np.round(enlarged + grain), 0, 255).astype(np.uint8)


def _convert_lower(weights: str, recipe: Recipe, width: int, height: int) -> bytes:
    from training.fitting import network

    return network.to_litert(
        network.lower_part(network.build_base(weights, width, height), recipe), batch=BATCH
    )


class FeatureCache:
    """The input of a recipe's trained part, by side, resize and pass, computed once and stored under `folder`.

    `seed` determines the augmented passes, and is part of their files' names; all seeds of a recipe may share a
    folder. Pooled features are (images, 1280) in float32, feature maps (images, height, width, channels) in
    float16.
    """

    def __init__(
        self,
        folder: Path,
        data: Path,
        weights: str,
        recipe: Recipe,
        *,
        size: tuple[int, int] = (224, 224),
        seed: int = 42,
    ) -> None:
        self.folder, self.data, self.weights, self.seed = folder, data, weights, seed
        self.recipe = recipe
        self.width, self.height = size
        self._interpreter: Interpreter | None = None
        folder.mkdir(parents=True, exist_ok=True)

    def get(self, images: Sequence[Image], side: str, resize: str, pass_number: int | str) -> NDArray[Any]:
        """One pass over `images`: an augmented one by number, `PLAIN` as stored, `LARGE`, or `SMALL`."""
        name = f"seed{self.seed}-{pass_number}" if isinstance(pass_number, int) else pass_number
        file = self.folder / f"{side}-{resize}-{name}.npy"
        if file.is_file():
            kept: NDArray[Any] = np.load(file)
            if len(kept) == len(images):
                return kept
        features = self._compute(images, resize, pass_number, f"features {file.stem}")
        partial = file.with_suffix(f".{os.getpid()}.partial.npy")
        np.save(partial, features)
        partial.replace(file)  # an interrupted run must not leave a partial pass that looks complete
        return features

    def _compute(
        self, images: Sequence[Image], resize: str, pass_number: int | str, title: str
    ) -> NDArray[Any]:
        interpreter = self._loaded()
        source = interpreter.get_input_details()[0]["index"]
        target = interpreter.get_output_details()[0]["index"]
        kind = np.float32 if self.recipe.first_trained is None else np.float16
        features: list[NDArray[Any]] = []
        bar = tqdm(total=math.ceil(len(images) / BATCH), desc=title, unit="batch")
        for batch, count in self._batches(images, resize, pass_number):
            interpreter.set_tensor(source, batch)
            interpreter.invoke()
            features.append(interpreter.get_tensor(target)[:count].astype(kind))
            bar.update()
        bar.close()
        return np.concatenate(features)

    def _batches(
        self, images: Sequence[Image], resize: str, pass_number: int | str
    ) -> Iterator[tuple[NDArray[np.float32], int]]:
        """Batches of pictures with the number of filled rows; the next ones are prepared meanwhile."""

        def made(start: int) -> tuple[NDArray[np.float32], int]:
            part = images[start : start + BATCH]
            batch = np.zeros((BATCH, self.height, self.width, 3), np.float32)
            for place, image in enumerate(part):
                batch[place] = self._picture(image, start + place, resize, pass_number)
            return batch, len(part)

        with ThreadPoolExecutor(usable_cores()) as workers:
            waiting: deque[Future[tuple[NDArray[np.float32], int]]] = deque()
            for start in range(0, len(images), BATCH):
                waiting.append(workers.submit(made, start))
                if len(waiting) > AHEAD:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()

    def _picture(self, image: Image, index: int, resize: str, pass_number: int | str) -> NDArray[np.float32]:
        stored = decode((self.data / image.path).read_bytes())
        if pass_number == LARGE:
            stored = as_large_scan(stored, self.seed, index)
        if pass_number == SMALL:
            stored = reduce_to(stored, SMALL_SIDE)
        if not isinstance(pass_number, int):
            return preprocess(stored, self.width, self.height, resize)
        return augment(
            stored,
            self.recipe.augmentation,
            size=(self.width, self.height),
            resize=resize,
            seed=self.seed,
            pass_number=pass_number,
            index=index,
        )

    def _loaded(self) -> Interpreter:
        if self._interpreter is None:
            self._interpreter = Interpreter(
                model_content=_convert_lower(self.weights, self.recipe, self.width, self.height),
                num_threads=usable_cores(),
            )
            self._interpreter.allocate_tensors()
        return self._interpreter
