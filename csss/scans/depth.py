"""Grey levels and transparency: what becomes of pictures that hold more than the 8-bit grey or colour we show.

One rule for all of sixteen bits: darkest and brightest are taken from where nearly all of the picture lies, with room
beside it, so that neither a burnt-in marker nor an empty upper half makes the rest black.
"""

import io
from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngImageFile

# Where the child is sealed, no thread can be started any more.
cv2.setNumThreads(1)

# Of the values between the smallest and the greatest (background and markers are often exactly these).
_PERCENTILES = (0.02, 0.98)
_ROOM = 0.25  # beside them, as a part of what lies between
_LEVELS = 1 << 16
_ROWS = 256  # at a time: NumPy counts and looks up with eight bytes a value

# Edges may be drawn softly; more that shows through is a picture nobody can see the greys of.
_MOST_SEEN_THROUGH = 0.02
_LEAST_OPAQUE = 0.25
_NEARLY = 0.98  # of full opacity counts as opaque


class Transparent(ValueError):
    """What the picture shows depends on what is behind it."""


def sixteen_bits(content: bytes, *, grey: bool) -> tuple[Image.Image, bool]:
    """A whole PNG of sixteen bits as 8-bit grey or RGB, and whether levels were lost on the way.

    Raises ValueError, Transparent, MemoryError.
    """
    values = _decoded(content)
    if values.dtype != np.uint16:
        raise ValueError("no PNG of sixteen bits")
    if values.ndim == 3 and values.shape[2] == 4:
        values = _over_black(values[:, :, :3], values[:, :, 3], _LEVELS - 1)
    if values.ndim == 3 and grey:
        values = values[:, :, 0]
    if values.ndim == 3:
        values = values[:, :, ::-1]  # OpenCV begins with blue
    counts = _counts(values)
    table = _table(counts)
    used = counts > 0
    lost = int(np.unique(table[used]).size) < int(np.count_nonzero(used))
    narrow: NDArray[np.uint8] = np.empty(values.shape, np.uint8)
    for rows in _slices(values.shape[0]):
        narrow[rows] = table[values[rows]]
    del values
    return Image.fromarray(narrow), lost


def _decoded(content: bytes) -> NDArray[Any]:
    """As OpenCV reads it. What it cannot read though Pillow can is whole, and too large for it: it takes two copies."""
    try:
        values = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:
        values = None
    if values is None:
        PngImageFile(io.BytesIO(content)).load()  # raises where the file is to blame
        raise MemoryError("OpenCV cannot read it")
    return values


def opaque(picture: Image.Image) -> Image.Image:
    """A picture of mode LA or RGBA over black, the background of X-rays. Raises Transparent."""
    alpha = picture.getchannel("A")
    plain = picture.convert("L" if picture.mode == "LA" else "RGB")
    if alpha.getextrema() == (255, 255):
        return plain
    values = _over_black(np.array(plain), np.asarray(alpha), 255)
    return Image.fromarray(values)


def _over_black(colours: NDArray[Any], alpha: NDArray[Any], most: int) -> NDArray[Any]:
    full = np.count_nonzero(alpha >= most * _NEARLY)
    none = np.count_nonzero(alpha == 0)
    if alpha.size - full - none > _MOST_SEEN_THROUGH * alpha.size or full < _LEAST_OPAQUE * alpha.size:
        raise Transparent("too much of it shows what is behind")
    if alpha.min() == most:
        return colours
    for rows in _slices(colours.shape[0]):  # in place: a large picture fills most of what the child may hold
        part = alpha[rows].astype(np.uint32)
        colours[rows] = colours[rows] * (part[..., np.newaxis] if colours.ndim == 3 else part) // most
    if colours.min() == colours.max():
        raise Transparent("nothing is left of it before black")
    return colours


def _slices(height: int) -> Iterator[slice]:
    for start in range(0, height, _ROWS):
        yield slice(start, start + _ROWS)


def _counts(values: NDArray[Any]) -> NDArray[np.int64]:
    counts = np.zeros(_LEVELS, np.int64)
    for rows in _slices(values.shape[0]):
        counts += np.bincount(values[rows].ravel(), minlength=_LEVELS)
    return counts


def _table(counts: NDArray[np.int64]) -> NDArray[np.uint8]:
    """The 8-bit level of each of the 65,536."""
    used = np.flatnonzero(counts)
    darkest, brightest = int(used[0]), int(used[-1])
    between = np.cumsum(counts[darkest + 1 : brightest])
    low, high = float(darkest), float(brightest)
    if between.size and between[-1]:
        lower, upper = (
            darkest + 1 + int(np.searchsorted(between, each * between[-1])) for each in _PERCENTILES
        )
        room = _ROOM * (upper - lower)
        shown = used[(used >= lower - room) & (used <= upper + room)]
        low, high = float(shown[0]), float(shown[-1])
    if high <= low:  # one level in all: as bright as it says
        low, high = 0, _LEVELS - 1
    levels = (np.arange(_LEVELS) - low) * (255 / (high - low))
    return np.rint(levels.clip(0, 255)).astype(np.uint8)
