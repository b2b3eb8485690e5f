"""Convert pictures with 16-bit values or transparency to the 8-bit grey or RGB that we show.

One rule holds for all 16-bit pictures: `csss.grey_range`.
"""

import io
from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngImageFile

from csss.grey_range import shown_range

# The sandboxed child cannot start threads.
cv2.setNumThreads(1)

_LEVELS = 1 << 16
_ROWS = 256  # processed at a time: NumPy counts and looks up with 8 bytes per value

# Soft edges are fine. With more transparency, nobody can tell the true grey levels of the picture.
_MOST_SEEN_THROUGH = 0.02
_LEAST_OPAQUE = 0.25
_NEARLY = 0.98  # this fraction of full opacity counts as opaque


class Transparent(ValueError):
    """How the picture looks depends on what is behind it."""


def sixteen_bits(content: bytes, *, grey: bool) -> tuple[Image.Image, bool]:
    """Convert a complete 16-bit PNG to 8-bit grey or RGB; the flag says whether grey levels were lost.

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
        values = values[:, :, ::-1]  # OpenCV's channel order is BGR
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
    """Decode with OpenCV. A picture that Pillow can read but OpenCV cannot is not damaged: it is too large for
    OpenCV, which needs two copies in memory."""
    try:
        values = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:
        values = None
    if values is None:
        PngImageFile(io.BytesIO(content)).load()  # raises when the file is damaged
        raise MemoryError("OpenCV cannot read it")
    return values


def opaque(picture: Image.Image) -> Image.Image:
    """Put a picture of mode LA or RGBA on black, the background of X-rays. Raises Transparent."""
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
    for rows in _slices(colours.shape[0]):  # in place: a large picture fills most of the child's memory limit
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
    """Map each of the 65,536 values to its 8-bit level."""
    used = np.flatnonzero(counts)
    low, high = shown_range(used, counts[used])
    if high <= low:  # only one level: keep its brightness
        low, high = 0, _LEVELS - 1
    levels = (np.arange(_LEVELS) - low) * (255 / (high - low))
    return np.rint(levels.clip(0, 255)).astype(np.uint8)
