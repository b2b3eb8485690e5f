"""Provide pictures that are neither chest X-rays nor cardiac MRI, drawn or found in installed packages.

They measure the outlier score; nothing is trained on them. Drawn pictures depend only on a seed. Photographs come
from matplotlib's sample data, and from scikit-learn if installed; other body parts from
`training.measuring.installed_pictures`.
"""

import gzip
from collections.abc import Callable, Iterable, Iterator
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from csss.paths import STATIC
from training.measuring.installed_pictures import DICOM, found

Picture = NDArray[np.uint8]
TEXT = (
    "the patient was seen on account of a cough that had lasted for two weeks and came with fever at night no "
    "relevant history is known invoice total amount due within thirty days order number delivery name signature"
)
WORDS = TEXT.split()
EACH = 24
BRAIN_SIDE = 256


def outsiders(seed: int = 42) -> Iterator[tuple[str, Picture]]:
    """(kind, RGB picture) for every kind, in a fixed order."""
    for number, (kind, make) in enumerate(KINDS.items()):
        random = np.random.default_rng((seed, number))
        for picture in make(random):
            yield kind, picture
    yield from found(seed)


def _grey(picture: Picture) -> Picture:
    return np.asarray(
        cv2.cvtColor(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB), dtype=np.uint8
    )


def _read(file: Any) -> Picture:
    with Image.open(file) as picture:
        return np.asarray(picture.convert("RGB"), dtype=np.uint8)


def photographs() -> list[Picture]:
    """Whole photographs: one from matplotlib, two more from scikit-learn if installed."""
    found = [_read(str(files("matplotlib") / "mpl-data" / "sample_data" / "grace_hopper.jpg"))]
    if find_spec("sklearn") is not None:
        folder = Path(str(files("sklearn.datasets") / "images"))
        found += [_read(folder / name) for name in ("china.jpg", "flower.jpg")]
    return found


def _photographs(random: np.random.Generator) -> Iterator[Picture]:
    """Whole photographs, and random crops of at least a quarter of each side; every second one in grey."""
    for picture in photographs():
        yield picture
        yield _grey(picture)
        height, width = picture.shape[:2]
        for number in range(EACH):
            share = random.uniform(0.25, 0.9)
            high, wide = int(height * share), int(width * share)
            top, left = random.integers(0, height - high), random.integers(0, width - wide)
            part = np.ascontiguousarray(picture[top : top + high, left : left + wide])
            yield _grey(part) if number % 2 else part


def _font(size: int) -> Any:
    return ImageFont.truetype(str(STATIC / "fonts" / "NotoSans-Regular.ttf"), size)


def _documents(random: np.random.Generator) -> Iterator[Picture]:
    for _ in range(EACH):
        width, height = int(random.integers(400, 900)), int(random.integers(500, 1200))
        page = Image.new("L", (width, height), int(random.integers(225, 256)))
        pen, size = ImageDraw.Draw(page), int(random.integers(11, 24))
        for y in range(40, height - 40, int(size * random.uniform(1.3, 2))):
            line = " ".join(random.choice(WORDS, size=int(random.integers(2, width // (size * 3)))))
            pen.text((40, y), line, fill=int(random.integers(0, 70)), font=_font(size))
        yield np.asarray(page.convert("RGB"), dtype=np.uint8)


def _screens(random: np.random.Generator) -> Iterator[Picture]:
    """Windows with a bar, a side panel, buttons and text, light or dark."""
    for _ in range(EACH):
        width, height = int(random.integers(640, 1280)), int(random.integers(400, 900))
        dark = random.random() < 0.5
        ground, ink = ((30, 32, 38), (225, 225, 225)) if dark else ((246, 247, 249), (30, 30, 30))
        page = Image.new("RGB", (width, height), ground)
        pen = ImageDraw.Draw(page)
        accent = tuple(int(value) for value in random.integers(0, 256, 3))
        pen.rectangle((0, 0, width, 44), fill=accent)
        pen.rectangle((0, 44, 180, height), fill=tuple(max(0, value - 12) for value in ground))
        for y in range(70, height - 30, 34):
            pen.text((16, y), str(random.choice(WORDS)), fill=ink, font=_font(15))
            pen.text((210, y), " ".join(random.choice(WORDS, size=6)), fill=ink, font=_font(15))
            if random.random() < 0.3:
                pen.rounded_rectangle((width - 130, y, width - 30, y + 24), 6, fill=accent)
        yield np.asarray(page, dtype=np.uint8)


def _charts(random: np.random.Generator) -> Iterator[Picture]:
    for _ in range(EACH):
        page = Image.new("RGB", (560, 400), (255, 255, 255))
        pen = ImageDraw.Draw(page)
        pen.line((50, 20, 50, 360, 540, 360), fill=(0, 0, 0), width=2)
        for _ in range(int(random.integers(1, 4))):
            colour = tuple(int(value) for value in random.integers(0, 200, 3))
            heights = np.clip(200 + np.cumsum(random.normal(0, 22, 24)), 30, 350)
            if random.random() < 0.5:
                pen.line([(60 + 20 * x, float(y)) for x, y in enumerate(heights)], fill=colour, width=3)
            else:
                for x, y in enumerate(heights):
                    pen.rectangle((60 + 20 * x, float(y), 72 + 20 * x, 360), fill=colour)
        yield np.asarray(page, dtype=np.uint8)


def _blank(random: np.random.Generator) -> Iterator[Picture]:
    """One colour, one grey, or a smooth gradient from one grey to another."""
    for number in range(EACH):
        picture = np.empty((300, 300, 3), np.uint8)
        if number % 3 == 0:
            picture[:] = random.integers(0, 256, 3)
        elif number % 3 == 1:
            picture[:] = (number // 3) * 36
        else:
            first, last = random.integers(0, 256, 2)
            picture[:] = np.linspace(first, last, 300)[:, None, None]
        yield picture


def _noise(random: np.random.Generator) -> Iterator[Picture]:
    """Grains of one to thirty-two pixels, in grey or colour."""
    for number in range(EACH):
        side = 256 >> (number % 6)
        grains = random.integers(0, 256, (side, side, 3 if number % 2 else 1), dtype=np.uint8)
        enlarged = cv2.resize(grains, (256, 256), interpolation=cv2.INTER_CUBIC)
        yield np.ascontiguousarray(np.broadcast_to(enlarged.reshape(256, 256, -1), (256, 256, 3)))


def _shapes(random: np.random.Generator) -> Iterator[Picture]:
    for _ in range(EACH):
        picture = np.full((300, 300, 3), random.integers(0, 256), np.uint8)
        for _ in range(int(random.integers(2, 9))):
            centre = tuple(int(value) for value in random.integers(20, 280, 2))
            axes = tuple(int(value) for value in random.integers(10, 110, 2))
            shade = (int(random.integers(0, 256)),) * 3
            cv2.ellipse(picture, centre, axes, float(random.uniform(0, 180)), 0, 360, shade, -1, cv2.LINE_AA)
        yield picture


def _brain(random: np.random.Generator) -> Iterator[Picture]:
    """The head MR slice of matplotlib's sample data, at several windows, sizes and rotations: another body part."""
    packed = (files("matplotlib") / "mpl-data" / "sample_data" / "s1045.ima.gz").read_bytes()
    slice_ = (
        np.frombuffer(gzip.decompress(packed), np.uint16).reshape(BRAIN_SIDE, BRAIN_SIDE).astype(np.float32)
    )
    for number in range(EACH):
        low, high = np.percentile(slice_, [random.uniform(0, 5), random.uniform(97, 99.9)])
        shown = (np.clip((slice_ - low) / (high - low), 0, 1) * 255).astype(np.uint8)
        inset = int(random.integers(0, 40))
        shown = np.rot90(shown[inset : BRAIN_SIDE - inset, inset : BRAIN_SIDE - inset], number % 4)
        yield np.ascontiguousarray(np.repeat(shown[:, :, None], 3, axis=2))


KINDS: dict[str, Callable[[np.random.Generator], Iterator[Picture]]] = {
    "photographs": _photographs,
    "documents": _documents,
    "screens": _screens,
    "charts": _charts,
    "blank": _blank,
    "noise": _noise,
    "shapes": _shapes,
    "head MRI": _brain,
}


def note(kinds: Iterable[str]) -> str:
    """For the model card: the sources of these kinds, and what has not been tried."""
    kinds = set(kinds)
    if kinds.isdisjoint(DICOM):
        return (
            "Drawn by the program or found in installed packages: few photographs, one head. Other body parts need the "
            "packages of the extra `trial`, which were not installed when this was measured."
        )
    return (
        "Drawn by the program or found in installed packages (matplotlib, pydicom-data, nibabel, scikit-image). Of each "
        "other body part there are one or two patients, shown at several windows, parts and turns; so this tells which "
        "kinds are refused, not how often. Hands, abdominal X-rays, lateral chest X-rays and chest CT have not been tried."
    )
