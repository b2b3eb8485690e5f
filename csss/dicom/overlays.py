"""Overlays: one-bit drawings over a picture (PS3.3 C.9.2).

A picture is shown without them, as its modality stored it, and says which it has: they may hold names, and hide what is
below. `drawn` puts them on for a viewer who asks. Overlays in unused bits of the pixels (retired, but still met) never
get into stored values, because `csss.dicom.samples` removes those bits; they are named, and not drawn.
"""

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.tag import Tag

from csss.dicom.facts import Overlay
from csss.dicom.headers import UNREADABLE_VALUE, plain
from csss.dicom.limits import MAX_FRAME_PIXELS, MAX_OVERLAYS


def overlays_of(data: Dataset) -> tuple[Overlay, ...]:
    """Every overlay that the header describes completely."""
    found = (_overlay(data, 0x6000 + 2 * number) for number in range(MAX_OVERLAYS))
    return tuple(each for each in found if each is not None)


def _raw(data: Dataset, group: int, element: int) -> object:
    tag = Tag(group, element)
    try:
        return data[tag].value if tag in data else None
    except UNREADABLE_VALUE:
        return None


def _overlay(data: Dataset, group: int) -> Overlay | None:
    rows, columns, origin = (_raw(data, group, each) for each in (0x0010, 0x0011, 0x0050))
    if (
        not isinstance(rows, int)
        or not isinstance(columns, int)
        or not 0 < rows * columns <= MAX_FRAME_PIXELS
    ):
        return None
    try:
        row, column = (int(each) for each in list(origin)[:2]) if origin else (1, 1)  # type: ignore[call-overload]
    except (TypeError, ValueError):
        row, column = 1, 1
    label = plain(str(_raw(data, group, 0x1500) or _raw(data, group, 0x0022) or ""))[:64]
    kind = plain(str(_raw(data, group, 0x0040) or "G"))[:1]
    return Overlay(group, kind, rows, columns, row, column, label, _raw(data, group, 0x3000) is None)


def bits_of(data: Dataset, overlay: Overlay, frame: int) -> NDArray[np.bool_] | None:
    """The drawing for a frame (from 0), of shape (rows, columns); None if its data is missing or too short."""
    raw = _raw(data, overlay.group, 0x3000)
    if not isinstance(raw, bytes):
        return None
    size = overlay.rows * overlay.columns
    frames = _raw(data, overlay.group, 0x0015)
    first = frame * size if isinstance(frames, int) and frames > frame else 0
    packed = np.frombuffer(raw[first // 8 : -(-(first + size) // 8)], np.uint8)
    bits = np.unpackbits(packed, bitorder="little")[first % 8 :][:size]
    return bits.astype(bool).reshape(overlay.rows, overlay.columns) if bits.size == size else None


def drawn(picture: NDArray[np.uint8], data: Dataset, frame: int) -> NDArray[np.uint8]:
    """The 8-bit picture with all overlays in white."""
    result = picture.copy()
    height, width = result.shape[:2]
    for overlay in overlays_of(data):
        bits = bits_of(data, overlay, frame)
        if bits is None:
            continue
        top, left = overlay.row - 1, overlay.column - 1
        upper, lower = max(top, 0), min(top + overlay.rows, height)
        first, last = max(left, 0), min(left + overlay.columns, width)
        if upper < lower and first < last:
            result[upper:lower, first:last][bits[upper - top : lower - top, first - left : last - left]] = 255
    return result
