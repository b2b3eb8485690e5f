"""Show colours in 8-bit RGB (PS3.3 C.7.6.3.1.2)."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.pixels.processing import apply_color_lut, convert_color_space

from csss.dicom.geometry import PALETTE, Geometry
from csss.dicom.headers import UNREADABLE_VALUE, value_of, words_of
from csss.dicom.limits import MAX_LUT
from csss.dicom.problems import Problem, Unreadable
from csss.dicom.samples import StoredFrame

_ROWS = 64  # converted at a time


def rgb_of(frame: StoredFrame, data: Dataset, geometry: Geometry) -> NDArray[np.uint8]:
    """Raises Unreadable."""
    if geometry.photometric == PALETTE:
        return _by_palette(frame, data, geometry)
    values = _eight_bits(frame.values, geometry.bits_stored)
    if geometry.photometric in {"YBR_FULL", "YBR_FULL_422"}:
        found = np.empty(values.shape, np.uint8)
        for start in range(0, geometry.rows, _ROWS):  # in floats, a whole frame would take a gigabyte
            found[start : start + _ROWS] = convert_color_space(
                values[start : start + _ROWS], "YBR_FULL", "RGB"
            )
        return found
    if geometry.photometric in {"YBR_RCT", "YBR_ICT"} and not frame.colours_turned:
        raise Unreadable(Problem.UNSUPPORTED_COLOURS, colours=geometry.photometric, samples=geometry.samples)
    return values


def _by_palette(frame: StoredFrame, data: Dataset, geometry: Geometry) -> NDArray[np.uint8]:
    """Look colours up in the palette (PS3.3 C.7.6.3.1.5). Raises Unreadable."""
    tables = [_palette(data, each, geometry) for each in ("Red", "Green", "Blue")]
    if all(each is not None for each in tables):
        stored = frame.values.astype(np.int64)
        return np.stack([each.eight_bits(stored) for each in tables if each is not None], axis=-1)
    try:  # in segments (PS3.3 C.7.9.2)
        colours = np.asarray(apply_color_lut(frame.values.view(np.uint16), data))
    except (*UNREADABLE_VALUE, RecursionError):
        raise Unreadable(Problem.UNSUPPORTED_COLOURS, colours=PALETTE, samples=geometry.samples) from None
    if colours.ndim != 3 or colours.shape[:2] != (geometry.rows, geometry.columns):
        raise Unreadable(Problem.DAMAGED)
    return _eight_bits(colours[:, :, :3], 16 if colours.dtype.itemsize == 2 else 8)


class _Palette(NamedTuple):
    """One colour of a palette."""

    first: int
    entries: NDArray[np.unsignedinteger[Any]]

    def eight_bits(self, stored: NDArray[np.int64]) -> NDArray[np.uint8]:
        levels = _eight_bits(self.entries, 8 * self.entries.dtype.itemsize)
        return levels[np.clip(stored - self.first, 0, levels.size - 1)]


def _palette(data: Dataset, colour: str, geometry: Geometry) -> _Palette | None:
    """None if the palette is in segments, or contradicts itself.

    Not left to pydicom: its palettes of big-endian files have their bytes in the wrong order (3.0.2).
    """
    order = ">" if data.original_encoding[1] is False else "<"
    descriptor = words_of(value_of(data, f"{colour}PaletteColorLookupTableDescriptor"), order)
    raw = value_of(data, f"{colour}PaletteColorLookupTableData")
    if len(descriptor) != 3 or not isinstance(raw, bytes):
        return None
    length, first = descriptor[0] or MAX_LUT, descriptor[1]
    if geometry.signed and first > MAX_LUT // 2 - 1:
        first -= MAX_LUT
    if len(raw) >= 2 * length:
        entries = np.frombuffer(raw[: 2 * length], f"{order}u2")
        narrow = descriptor[2] == 8 and entries.max() < 256  # a word for each entry of eight bits
        return _Palette(first, entries.astype(np.uint8) if narrow else entries)
    return _Palette(first, np.frombuffer(raw[:length], np.uint8)) if len(raw) >= length else None


def _eight_bits(
    values: NDArray[np.int16] | NDArray[np.uint16] | NDArray[np.uint8], bits: int
) -> NDArray[np.uint8]:
    if bits > 8:
        return (values.astype(np.uint16) >> np.uint16(bits - 8)).astype(np.uint8)
    if bits < 8:
        return (values.astype(np.uint16) * 255 // ((1 << bits) - 1)).astype(np.uint8)
    return values.astype(np.uint8, copy=False)
