"""Make random views of a picture, reproducibly: the random numbers depend only on seed, pass and the picture's
index.

`paper` is the published augmentation, with the meaning of Keras's `ImageDataGenerator` (independent zoom of both
axes, edges replicated), applied to the network's input. `csss` works on the stored picture and removes what reveals
a picture's source apart from its content: resolution, compression, borders, and brightness.
"""

import math
from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from csss.inference.preprocessing import preprocess

ROTATION_DEGREES = 10.0
ZOOM = 0.1
SHIFT = 0.05
CROP = 0.08
REDUCED = (96, 160)
QUALITY = (30, 95)
REDUCED_SHARE = 0.3
"""Fraction of images whose resolution is reduced first. With one half, accuracy on stored pictures falls (small
pictures are then often taken for reduced ones of other classes); with zero, the network reads the class from the
resolution."""

MARKED_SHARE = 0.25
"""Fraction of images in which a corner is wiped, and of those into which letters are written: markers such as `L` or
`PORTABLE` reveal the source, and AP pictures are of sicker people."""
MARKS = ("L", "R", "AP", "PA", "ERECT", "SUPINE", "PORTABLE", "SITTING")

View = Callable[[NDArray[np.uint8], int, int, str, np.random.Generator], NDArray[np.float32]]


def warp(
    image: NDArray[np.float32], random: np.random.Generator, *, flip: bool, shift: float
) -> NDArray[np.float32]:
    """Rotate, zoom, shift and perhaps mirror an image (height, width, 3) about its centre; edges are replicated."""
    angle = math.radians(random.uniform(-ROTATION_DEGREES, ROTATION_DEGREES))
    zoom_x, zoom_y = random.uniform(1 - ZOOM, 1 + ZOOM, size=2)
    mirror = -1.0 if flip and random.random() < 0.5 else 1.0
    height, width = image.shape[:2]
    centre = np.array([(width - 1) / 2, (height - 1) / 2])
    linear = np.array(
        [
            [math.cos(angle) * zoom_x * mirror, -math.sin(angle) * zoom_y],
            [math.sin(angle) * zoom_x * mirror, math.cos(angle) * zoom_y],
        ]
    )
    offset = centre - linear @ centre
    if shift:
        offset += random.uniform(-shift, shift, size=2) * (width, height)
    # WARP_INVERSE_MAP: the matrix maps each output pixel to its place in the source.
    warped = cv2.warpAffine(
        image,
        np.column_stack([linear, offset]),
        (width, height),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return np.asarray(warped, dtype=np.float32)


def paper_view(
    stored: NDArray[np.uint8], width: int, height: int, resize: str, random: np.random.Generator
) -> NDArray[np.float32]:
    """The paper's augmentation: rotation up to 10 degrees, zoom up to 10 %, horizontal flip."""
    return warp(preprocess(stored, width, height, resize), random, flip=True, shift=0.0)


def unflipped_view(
    stored: NDArray[np.uint8], width: int, height: int, resize: str, random: np.random.Generator
) -> NDArray[np.float32]:
    """The paper's augmentation without the flip, to measure the effect of the flip."""
    return warp(preprocess(stored, width, height, resize), random, flip=False, shift=0.0)


SMALL_SIDE = 128
"""The native size of most images of two classes; at this size, the resolution no longer reveals the class."""


def reduce_to(stored: NDArray[np.uint8], longest: int) -> NDArray[np.uint8]:
    """Reduce the longest side to at most `longest` pixels, by area; smaller pictures are unchanged."""
    scale = longest / max(stored.shape[:2])
    if scale >= 1:
        return stored
    size = (max(1, round(stored.shape[1] * scale)), max(1, round(stored.shape[0] * scale)))
    return np.asarray(cv2.resize(stored, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def _crop(stored: NDArray[np.uint8], random: np.random.Generator) -> NDArray[np.uint8]:
    height, width = stored.shape[:2]
    top, bottom = (random.uniform(0, CROP, size=2) * height).astype(int)
    left, right = (random.uniform(0, CROP, size=2) * width).astype(int)
    return stored[top : height - bottom, left : width - right]


def _pressed(stored: NDArray[np.uint8], random: np.random.Generator) -> NDArray[np.uint8]:
    quality = int(random.integers(QUALITY[0], QUALITY[1] + 1))
    done, data = cv2.imencode(".jpg", stored, [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not done:
        raise OSError("OpenCV could not write a JPEG.")
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), dtype=np.uint8)


def marked(picture: NDArray[np.uint8], random: np.random.Generator) -> NDArray[np.uint8]:
    """Wipe a corner, write a marker near one, or leave the picture as it is: (height, width, 3) to the same."""
    chance = random.random()
    if chance >= 2 * MARKED_SHARE:
        return picture
    height, width = picture.shape[:2]
    low, right = random.random(2) < 0.5
    high, wide = (random.uniform(0.06, 0.16, size=2) * (height, width)).astype(int) + 1
    top, left = height - high if low else 0, width - wide if right else 0
    changed = picture.copy()
    if chance < MARKED_SHARE:
        changed[top : top + high, left : left + wide] = np.median(
            changed[top : top + high, left : left + wide]
        )
        return changed
    size, shade = random.uniform(0.5, 1.2) * min(height, width) / 300, int(random.integers(170, 256))
    place = (int(max(0, left - wide) if right else left), int(top + high))
    mark = str(random.choice(MARKS))
    cv2.putText(changed, mark, place, cv2.FONT_HERSHEY_SIMPLEX, size, (shade,) * 3, 1, cv2.LINE_AA)
    return changed


def csss_view(
    stored: NDArray[np.uint8], width: int, height: int, resize: str, random: np.random.Generator
) -> NDArray[np.float32]:
    """Our augmentation: cropped borders, wiped or added markers, random resolution and compression, small shifts,
    brightness changes; no flip.

    A mirrored chest has its heart on the right, which is a finding of its own.
    """
    picture = marked(_crop(stored, random) if random.random() < 0.5 else stored, random)
    if random.random() < REDUCED_SHARE:
        picture = reduce_to(picture, int(random.integers(REDUCED[0], REDUCED[1] + 1)))
    if random.random() < 0.5:
        picture = _pressed(picture, random)
    moved = warp(preprocess(picture, width, height, resize), random, flip=False, shift=SHIFT)
    gamma = math.exp(random.uniform(-0.3, 0.3))
    contrast, brightness = random.uniform(0.8, 1.25), random.uniform(-0.1, 0.1)
    toned = (np.power(np.clip(moved, 0, 1), gamma) - 0.5) * contrast + 0.5 + brightness
    return np.asarray(np.clip(toned, 0, 1), dtype=np.float32)


VIEWS: dict[str, View] = {"paper": paper_view, "paper-unflipped": unflipped_view, "csss": csss_view}


def augment(
    stored: NDArray[np.uint8],
    kind: str,
    *,
    size: tuple[int, int],
    resize: str,
    seed: int,
    pass_number: int,
    index: int,
) -> NDArray[np.float32]:
    """One random view of a stored picture as the network's input: (height, width, 3) in 0..1."""
    random = np.random.default_rng((seed, pass_number, index))
    return VIEWS[kind](stored, size[0], size[1], resize, random)
