"""Show colours in 8-bit RGB (PS3.3 C.7.6.3.1.2)."""

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.pixels.processing import apply_color_lut, convert_color_space

from csss.dicom.geometry import PALETTE, Geometry
from csss.dicom.headers import UNREADABLE_VALUE
from csss.dicom.problems import Problem, Unreadable
from csss.dicom.samples import StoredFrame


def rgb_of(frame: StoredFrame, data: Dataset, geometry: Geometry) -> NDArray[np.uint8]:
    """Raises Unreadable."""
    if geometry.photometric == PALETTE:
        return _by_palette(frame, data, geometry)
    values = _eight_bits(frame.values, geometry.bits_stored)
    if geometry.photometric in {"YBR_FULL", "YBR_FULL_422"}:
        return np.asarray(convert_color_space(values, "YBR_FULL", "RGB"), np.uint8)
    if geometry.photometric in {"YBR_RCT", "YBR_ICT"} and not frame.colours_turned:
        raise Unreadable(Problem.UNSUPPORTED_COLOURS, colours=geometry.photometric, samples=geometry.samples)
    return values


def _by_palette(frame: StoredFrame, data: Dataset, geometry: Geometry) -> NDArray[np.uint8]:
    """Look colours up in the palette, which may be in segments (PS3.3 C.7.9)."""
    try:
        colours = np.asarray(apply_color_lut(frame.values.view(np.uint16), data))
    except (*UNREADABLE_VALUE, RecursionError):
        raise Unreadable(Problem.UNSUPPORTED_COLOURS, colours=PALETTE, samples=geometry.samples) from None
    if colours.ndim != 3 or colours.shape[:2] != (geometry.rows, geometry.columns):
        raise Unreadable(Problem.DAMAGED)
    return _eight_bits(colours[:, :, :3], 16 if colours.dtype.itemsize == 2 else 8)


def _eight_bits(
    values: NDArray[np.int16] | NDArray[np.uint16] | NDArray[np.uint8], bits: int
) -> NDArray[np.uint8]:
    if bits > 8:
        return (values.astype(np.uint16) >> np.uint16(bits - 8)).astype(np.uint8)
    if bits < 8:
        return (values.astype(np.uint16) * 255 // ((1 << bits) - 1)).astype(np.uint8)
    return values.astype(np.uint8)
