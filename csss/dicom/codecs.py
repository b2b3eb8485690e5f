"""Decode one compressed frame to raw samples. Every codestream's own header must say what the DICOM header says.

| coding | decoder | licence |
| --- | --- | --- |
| RLE (PS3.5 annex G) | here, because pydicom's has no bound | |
| JPEG baseline, extended with 8 and 12 bits, lossless (ISO 10918-1) | GDCM | BSD |
| JPEG-LS (ISO 14495-1) | CharLS, by pyjpegls | BSD, MIT |
| JPEG 2000 and HTJ2K (ISO 15444-1, -15) | OpenJPEG, by pylibjpeg-openjpeg | BSD, MIT |

Only the sandboxed child imports this module.
"""

import struct
from collections.abc import Callable
from typing import Any, NamedTuple

import gdcm
import jpeg_ls
import numpy as np
import openjpeg
from numpy.typing import NDArray
from pydicom import uid

from csss.dicom import syntaxes
from csss.dicom.geometry import Geometry
from csss.dicom.problems import Problem, Unreadable

# Frame headers of JPEG processes; C3 is lossless, F7 is JPEG-LS. DHT, JPG and DAC have numbers among them.
_FRAME_HEADERS = {0xC0, 0xC1, 0xC2, 0xC3, 0xF7}
_STANDING_ALONE = {0x01, *range(0xD0, 0xD9)}


# Bit patterns of 8 or 16 bits, whatever their sign.
Patterns = NDArray[np.unsignedinteger[Any]]


class Samples(NamedTuple):
    """The samples of a frame as a decoder left them."""

    values: (
        NDArray[np.uint8] | NDArray[np.uint16]
    )  # (rows, columns) or (rows, columns, 3); bit patterns, unsigned
    bits: int  # the precision of the codestream
    colours_turned: bool = False  # the decoder has turned YBR_RCT or YBR_ICT into RGB


def decode(source: bytes, geometry: Geometry) -> Samples:
    """Decode a frame's codestream. Raises Unreadable."""
    syntax = geometry.transfer_syntax
    if syntax == uid.RLELossless:
        return _rle(source, geometry)
    if syntax in syntaxes.JPEG:
        return _jpeg(source, geometry)
    if syntax in syntaxes.JPEG_LS:
        return _jpeg_ls(source, geometry)
    return _jpeg_2000(source, geometry)


def _shaped(raw: bytes | bytearray, geometry: Geometry, bits: int, *, planar: bool = False) -> Patterns:
    """Raises Unreadable if there are not exactly as many values as the header says."""
    kind = np.dtype("u1") if bits <= 8 else np.dtype("<u2")
    if len(raw) != geometry.values * kind.itemsize:
        raise Unreadable(Problem.WRONG_LENGTH, held=len(raw), wanted=geometry.values * kind.itemsize)
    return in_shape(np.frombuffer(raw, kind), geometry, planar=planar)


def in_shape(values: Patterns, geometry: Geometry, *, planar: bool) -> Patterns:
    """Arrange a frame's values as (rows, columns) or (rows, columns, samples)."""
    if geometry.samples == 1:
        return values.reshape(geometry.rows, geometry.columns)
    if planar:
        planes = values.reshape(geometry.samples, geometry.rows, geometry.columns)
        return np.ascontiguousarray(planes.transpose(1, 2, 0))
    return values.reshape(geometry.rows, geometry.columns, geometry.samples)


class _Coded(NamedTuple):
    """What a codestream's own header says."""

    bits: int
    rows: int
    columns: int
    samples: int

    def check(self, geometry: Geometry) -> None:
        if (self.rows, self.columns) != (geometry.rows, geometry.columns) or self.samples != geometry.samples:
            raise Unreadable(
                Problem.OTHER_SIZE_INSIDE,
                columns=self.columns,
                rows=self.rows,
                said=f"{geometry.columns} × {geometry.rows}",
            )
        if not 0 < self.bits <= geometry.bits_allocated:
            raise Unreadable(Problem.UNSUPPORTED_VALUES, bits=self.bits)


def _jpeg_header(source: bytes) -> _Coded:
    """Find the frame header of a JPEG or JPEG-LS codestream (ISO 10918-1 B.2.2). Raises Unreadable."""
    at = 2
    while at + 10 <= len(source) and source[:2] == b"\xff\xd8":
        if source[at] != 0xFF:
            break
        marker = source[at + 1]
        if marker in _FRAME_HEADERS:
            return _Coded(*struct.unpack_from(">BHHB", source, at + 4))
        at += 1 if marker == 0xFF else 2
        if marker not in _STANDING_ALONE and marker != 0xFF:
            at += struct.unpack_from(">H", source, at)[0]
    raise Unreadable(Problem.DAMAGED)


def _check_end(source: bytes) -> None:
    """The codestream must have its end mark (PS3.5 A.4 allows one byte of padding; some writers add more)."""
    if not source.rstrip(b"\0")[-2:] == b"\xff\xd9" and b"\xff\xd9" not in source[-64:]:
        raise Unreadable(Problem.CUT_OFF)


def _guarded(work: Callable[[], bytes | bytearray]) -> bytes | bytearray:
    """Run a decoder; whatever it raises means that the codestream is damaged."""
    try:
        return work()
    except MemoryError:
        raise
    except Exception:
        raise Unreadable(Problem.DAMAGED) from None


def _jpeg(source: bytes, geometry: Geometry) -> Samples:
    coded = _jpeg_header(source)
    coded.check(geometry)
    _check_end(source)
    raw = _guarded(lambda: _by_gdcm(source, geometry, coded.bits))
    return Samples(_shaped(raw, geometry, 8 if len(raw) == geometry.values else 16), coded.bits)


def _by_gdcm(source: bytes, geometry: Geometry, bits: int) -> bytes:
    """Decode with GDCM, which converts no colours: what comes out is as the photometric interpretation says."""
    fragment = gdcm.Fragment()
    fragment.SetByteStringValue(source)
    fragments = gdcm.SequenceOfFragments.New()
    fragments.AddFragment(fragment)
    element = gdcm.DataElement(gdcm.Tag(0x7FE0, 0x0010))
    element.SetValue(fragments.__ref__())
    image = gdcm.Image()
    image.SetNumberOfDimensions(2)
    image.SetDimensions((geometry.columns, geometry.rows, 1))
    image.SetDataElement(element)
    kind = gdcm.PhotometricInterpretation.GetPIType(geometry.photometric)
    image.SetPhotometricInterpretation(gdcm.PhotometricInterpretation(kind))
    if geometry.samples > 1:
        image.SetPlanarConfiguration(0)
    image.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.GetTSType(str(geometry.transfer_syntax))))
    allocated = geometry.bits_allocated
    image.SetPixelFormat(gdcm.PixelFormat(geometry.samples, allocated, bits, bits - 1, int(geometry.signed)))
    # GDCM's binding returns bytes as a text with surrogates.
    return str(image.GetBuffer()).encode("utf-8", "surrogateescape")


def _jpeg_ls(source: bytes, geometry: Geometry) -> Samples:
    coded = _jpeg_header(source)
    coded.check(geometry)
    info: dict[str, int] = {}

    def work() -> bytearray:
        buffer, said = jpeg_ls.decode_pixel_data(source)
        info.update(said)
        return bytearray(buffer)

    raw = _guarded(work)
    planar = coded.samples > 1 and info.get("interleave_mode") == 0
    return Samples(_shaped(raw, geometry, coded.bits, planar=planar), coded.bits)


def _jpeg_2000(source: bytes, geometry: Geometry) -> Samples:
    at = source.find(b"\xff\x4f\xff\x51", 0, 4096)
    if at < 0 or len(source) < at + 43:
        raise Unreadable(Problem.DAMAGED)
    right, lower, left, upper = struct.unpack_from(">IIII", source, at + 8)
    tile_width, tile_height = struct.unpack_from(">II", source, at + 24)
    (samples,) = struct.unpack_from(">H", source, at + 40)
    coded = _Coded((source[at + 42] & 0x7F) + 1, lower - upper, right - left, samples)
    coded.check(geometry)
    # Each tile costs memory of its own, however small it is.
    if not tile_width or not tile_height or (right // tile_width + 1) * (lower // tile_height + 1) > 65_535:
        raise Unreadable(Problem.DAMAGED)
    raw = _guarded(lambda: bytearray(openjpeg.decode_pixel_data(source[at:], version=2)))
    turned = geometry.photometric in {"YBR_RCT", "YBR_ICT"}
    return Samples(_shaped(raw, geometry, coded.bits), coded.bits, turned)


def _rle(source: bytes, geometry: Geometry) -> Samples:
    """Unpack the segments, most significant bytes first (PS3.5 G.2)."""
    width = geometry.bits_allocated // 8
    if geometry.bits_allocated % 8 or len(source) < 64:
        raise Unreadable(Problem.DAMAGED)
    count, *offsets = struct.unpack_from("<16I", source)
    if count != width * geometry.samples:
        raise Unreadable(Problem.DAMAGED)
    ends = [*offsets[1:count], len(source)]
    pixels = geometry.rows * geometry.columns
    planes: NDArray[np.uint8] = np.empty((geometry.samples, pixels, width), np.uint8)
    for number, (start, end) in enumerate(zip(offsets[:count], ends, strict=True)):
        if not 64 <= start <= end <= len(source):
            raise Unreadable(Problem.DAMAGED)
        sample, byte = divmod(number, width)
        planes[sample, :, width - 1 - byte] = np.frombuffer(
            unpacked_bits(source[start:end], pixels), np.uint8
        )
    values = planes.view("<u2" if width == 2 else "u1").reshape(-1)
    return Samples(in_shape(values, geometry, planar=True), geometry.bits_allocated)


def unpacked_bits(segment: bytes, wanted: int) -> bytes:
    """Unpack a segment of PackBits to exactly `wanted` bytes (PS3.5 G.3). Raises Unreadable."""
    found, at, size = bytearray(), 0, len(segment)
    while len(found) < wanted:
        if at + 1 >= size:
            raise Unreadable(Problem.CUT_OFF)
        head = segment[at]
        if head < 128:
            found += segment[at + 1 : at + 2 + head]
            at += 2 + head
        elif head > 128:
            found += segment[at + 1 : at + 2] * (257 - head)
            at += 2
        else:
            at += 1
    return bytes(found[:wanted])
