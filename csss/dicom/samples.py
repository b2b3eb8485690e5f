"""Turn a frame into stored values (PS3.5 section 8), whatever way it is coded.

Stored values are what the modality wrote: no lookup table and no window has been applied. Bits beside the stored ones,
where old files keep overlays, are removed, and the sign is what Pixel Representation says: some JPEG 2000
codestreams claim another one, and other readers follow the header, too.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.pixels.utils import expand_ybr422

from csss.dicom import codecs
from csss.dicom.codecs import Patterns, Samples, in_shape
from csss.dicom.fragments import frame_of
from csss.dicom.geometry import Geometry, check_native_length
from csss.dicom.problems import Problem, Unreadable
from csss.dicom.structure import Layout

StoredArray = NDArray[np.int16] | NDArray[np.uint16] | NDArray[np.uint8]


class StoredFrame(NamedTuple):
    """One frame: int16 or uint16, of shape (rows, columns); for a colour (rows, columns, 3), and uint8 for 8 bits."""

    values: StoredArray
    colours_turned: bool = False  # a decoder has turned YBR_RCT or YBR_ICT into RGB


def stored_frame(layout: Layout, data: Dataset, geometry: Geometry, frame: int) -> StoredFrame:
    """Decode one frame (from 0). Raises Unreadable."""
    if not 0 <= frame < geometry.frames:
        raise Unreadable(Problem.NO_SUCH_FRAME, frame=frame + 1, frames=geometry.frames)
    if layout.fragments is not None:
        source = frame_of(layout, data, geometry.frames, frame)
        samples = codecs.decode(source, geometry)
    else:
        check_native_length(layout, geometry)
        samples = Samples(_native(layout, geometry, frame), geometry.bits_stored)
    return StoredFrame(_signed(samples.values, geometry, samples.bits), samples.colours_turned)


def _native(layout: Layout, geometry: Geometry, frame: int) -> Patterns:
    body, start = memoryview(layout.body), layout.pixels.start
    if geometry.bits_allocated == 1:
        return _single_bits(body[start : start + layout.pixels.length], geometry, frame)
    size = geometry.frame_bits // 8
    raw: bytes | memoryview = body[start + frame * size : start + (frame + 1) * size]
    if geometry.photometric == "YBR_FULL_422":
        if geometry.bits_allocated != 8 or geometry.columns % 2:
            raise Unreadable(Problem.UNSUPPORTED_COLOURS, colours=geometry.photometric, samples=3)
        raw = expand_ybr422(bytes(raw), geometry.bits_allocated)
    if geometry.bits_allocated == 16:
        order = "<u2" if layout.little_endian else ">u2"
        return in_shape(np.frombuffer(raw, order).astype("<u2"), geometry, planar=geometry.planar)
    values: Patterns = np.frombuffer(raw, np.uint8)
    if layout.pixel_vr == b"OW" and not layout.little_endian:
        # Two 8-bit values in each 16-bit word, whose bytes are swapped (PS3.5 section 8.1.1).
        values = _unswapped(body, layout, geometry, frame)
    return in_shape(values, geometry, planar=geometry.planar)


def _unswapped(body: memoryview, layout: Layout, geometry: Geometry, frame: int) -> NDArray[np.uint8]:
    whole = np.frombuffer(body[layout.pixels.start :][: layout.pixels.length & ~1], np.uint8)
    swapped = whole.reshape(-1, 2)[:, ::-1].reshape(-1)
    size = geometry.values
    found = swapped[frame * size : (frame + 1) * size]
    if found.size != size:
        raise Unreadable(Problem.WRONG_LENGTH, held=found.size, wanted=size)
    return found


def _single_bits(pixels: memoryview, geometry: Geometry, frame: int) -> Patterns:
    """Bits are packed from the least significant one, over the ends of frames (PS3.5 section 8.1.1)."""
    first = frame * geometry.values
    last = first + geometry.values
    packed = np.frombuffer(pixels[first // 8 : -(-last // 8)], np.uint8)
    bits = np.unpackbits(packed, bitorder="little")[first % 8 :][: geometry.values]
    return bits.reshape(geometry.rows, geometry.columns)


def _signed(values: Patterns, geometry: Geometry, bits: int) -> StoredArray:
    """Keep the stored bits alone, and give them their sign."""
    if (
        geometry.samples == 3
        and values.dtype == np.uint8
        and geometry.bits_stored == 8
        and not geometry.signed
    ):
        return values.astype(np.uint8, copy=False)  # the largest frames: two bytes for each would be too many
    words = values.astype(np.uint16)
    if geometry.bits_allocated == 1:
        return words
    if not geometry.encapsulated and (shift := geometry.high_bit + 1 - geometry.bits_stored):
        words >>= np.uint16(shift)
    # A decoder has extended the sign of its own precision, which may be more than the header says.
    stored = geometry.bits_stored
    if stored < 16 and (bits <= stored or not geometry.encapsulated or geometry.signed):
        words &= np.uint16((1 << stored) - 1)
    if not geometry.signed:
        return words
    unused = 16 - stored
    return (words << np.uint16(unused)).view(np.int16) >> np.int16(unused)
