"""Draw pictures that look like scans and are nobody's, for the demo.

For each class: the mean of the training pictures and their leading principal components; a new picture is the mean
plus the components with random weights of the spread the real ones have. Only the leading components are kept, and a
weight vector is refused when its picture is nearer to a training picture than real pictures of different patients
are to each other; so none is reproduced. The words "SYNTHETIC - NOT A PATIENT" are drawn into each picture.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from csss.inference.engine import Engine, Result
from training.data import LABELS, Image

SIDE = 256
"""Pixels a side while drawing."""
FINAL = 512
"""Pixels a side of the picture that is kept."""
PICTURES = 500
"""Training pictures per class that the components are computed from, at most."""
WORDS = "SYNTHETIC - NOT A PATIENT"
GRAIN = 3.0
"""Standard deviation of the added grain, of 255 grey levels: without it the pictures look airbrushed."""


@dataclass(frozen=True)
class Components:
    """A class's principal components: mean (pixels), axes (rank, pixels), spread (rank); and what to keep clear of.

    `weights` (pictures, rank) are the training pictures' own; `clearance` is the median distance from a real
    picture to its nearest neighbour in the space of the weights divided by the spread.
    """

    label: str
    mean: NDArray[np.float32]
    axes: NDArray[np.float32]
    spread: NDArray[np.float32]
    pictures: NDArray[np.float32]
    clearance: float


@dataclass(frozen=True)
class Drawn:
    """One synthetic picture: JPEG bytes, the class it was drawn from, and what the engine reads in it.

    `nearest` is the highest correlation of the picture with a training picture, both without the class mean;
    `usual` is the median of the same figure between real pictures.
    """

    jpeg: bytes
    label: str
    nearest: float
    usual: float
    result: Result


def _unit(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=-1, keepdims=True), 1e-6), dtype=np.float32)


def components(data: Path, images: list[Image], label: str, rank: int) -> Components:
    """Principal components of up to `PICTURES` of the images, in grey, stretched to a square."""
    images = images[:: max(1, len(images) // PICTURES)][:PICTURES]
    pictures = np.empty((len(images), SIDE * SIDE), np.float32)
    for index, image in enumerate(tqdm(images, desc=f"pictures {label}", unit="image")):
        picture = cv2.imread(str(data / image.path), cv2.IMREAD_GRAYSCALE)
        if picture is None:
            raise OSError(f"{image.path} cannot be read.")
        pictures[index] = cv2.resize(picture, (SIDE, SIDE), interpolation=cv2.INTER_AREA).ravel()
    mean = pictures.mean(axis=0)
    pictures -= mean
    values, vectors = np.linalg.eigh(pictures @ pictures.T)  # far fewer pictures than pixels
    keep = np.argsort(values)[::-1][:rank]
    axes = _unit((vectors[:, keep].T @ pictures).astype(np.float32))
    spread = np.sqrt(values[keep] / len(images)).astype(np.float32)
    units = _unit(pictures)
    alike = units @ units.T
    np.fill_diagonal(alike, -1)
    return Components(label, mean, axes, spread, units, float(np.median(alike.max(axis=1))))


def _finish(grey: NDArray[np.float32], random: np.random.Generator) -> bytes:
    """Enlarge, add grain, write the words, encode as JPEG."""
    picture = cv2.resize(grey.reshape(SIDE, SIDE), (FINAL, FINAL), interpolation=cv2.INTER_CUBIC)
    picture = np.clip(picture + random.normal(0, GRAIN, picture.shape), 0, 255).astype(np.uint8)
    font, scale, thickness = cv2.FONT_HERSHEY_SIMPLEX, 0.72, 2
    (width, _), below = cv2.getTextSize(WORDS, font, scale, thickness)
    place = ((FINAL - width) // 2, FINAL - below - 8)
    cv2.putText(picture, WORDS, place, font, scale, 0, thickness + 4, cv2.LINE_AA)
    cv2.putText(picture, WORDS, place, font, scale, 255, thickness, cv2.LINE_AA)
    done, encoded = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 82])
    if not done:
        raise OSError("OpenCV could not encode a JPEG.")
    return encoded.tobytes()


def draw(parts: Components, engine: Engine, random: np.random.Generator) -> Iterator[Drawn]:
    """An endless row of pictures of one class that keep clear of every training picture."""
    while True:
        weights = np.asarray(random.normal(0, parts.spread), dtype=np.float32)
        change = np.asarray(weights @ parts.axes, dtype=np.float32)
        nearest = float((parts.pictures @ _unit(change)).max())
        if nearest >= parts.clearance:
            continue
        jpeg = _finish(parts.mean + change, random)
        yield Drawn(jpeg, parts.label, nearest, parts.clearance, engine.predict(jpeg, heatmap=False))


def choose(
    data: Path, images: list[Image], engine: Engine, *, rank: int, tries: int, seed: int
) -> Iterator[tuple[str, Drawn]]:
    """File name and picture: of each class the one read as that class most surely, and one the engine is unsure of."""
    for number, label in enumerate(LABELS):
        own = [image for image in images if image.label == label]
        kind = Counter(image.kind for image in own).most_common(1)[0][0]
        parts = components(data, [image for image in own if image.kind == kind], label, rank)
        row = draw(parts, engine, np.random.default_rng((seed, number)))
        drawn = [next(row) for _ in tqdm(range(tries), desc=f"drawing {label}", unit="picture")]
        sure = max(drawn, key=lambda item: item.result.probabilities[label])
        others = [item for item in drawn if item is not sure]
        unsure = min(others, key=lambda item: abs(item.result.probabilities[label] - 0.55))
        yield f"{label}-1.jpg", sure
        yield f"{label}-2.jpg", unsure


def write_set(folder: Path, chosen: Iterable[tuple[str, Drawn]], rank: int) -> list[tuple[str, Drawn]]:
    """Write the pictures and a README with what was measured; returns what was written."""
    folder.mkdir(parents=True, exist_ok=True)
    kept = list(chosen)
    for name, drawn in kept:
        (folder / name).write_bytes(drawn.jpeg)
    highest = max(drawn.nearest for _, drawn in kept)
    lines = [
        "These pictures are synthetic; none shows a patient. `python -m training synthetic` drew them: the mean of the",
        f"training pictures of a class plus its first {rank} principal components with random weights, some grain, and the",
        "words in the picture. A picture is kept only if it is less like every training picture than real pictures are",
        "like their nearest neighbour: the highest correlation of any picture here with a training picture, both without",
        f"the mean of the class, is {highest:.2f}. They show how the program works and are of no use for judging it.",
        "The data they are drawn from is under the terms named in the model card; part of it (Sick) is non-commercial.",
        "",
        "| file | nearest training picture | usual between real ones | read as | confidence |",
        "| --- | --- | --- | --- | --- |",
        *(
            f"| {name} | {drawn.nearest:.2f} | {drawn.usual:.2f} | {drawn.result.label} | {drawn.result.confidence:.2f} |"
            for name, drawn in kept
        ),
    ]
    (folder / "README.md").write_text(
        "\n".join(["# Synthetic scans for the demo", "", *lines, ""]), encoding="utf-8"
    )
    return kept
