"""Tell how large the pixels of a file are, and refuse what is too large, before anything is decoded (PS3.3 C.7.6.3)."""

import math
from dataclasses import dataclass

from pydicom.dataset import Dataset

from csss.dicom import limits, syntaxes
from csss.dicom.headers import integer_of, text_of
from csss.dicom.problems import Problem, Unreadable
from csss.dicom.structure import PIXEL_DATA, Layout

GREY = {"MONOCHROME1", "MONOCHROME2"}
PALETTE = "PALETTE COLOR"
COLOURS = {"RGB", "YBR_FULL", "YBR_FULL_422", "YBR_RCT", "YBR_ICT"}


@dataclass(frozen=True)
class Geometry:
    """The Image Pixel module's numbers, checked."""

    rows: int
    columns: int
    frames: int
    samples: int  # per pixel: 1 or 3
    bits_allocated: int  # 1, 8 or 16
    bits_stored: int
    high_bit: int
    signed: bool  # as Pixel Representation says, whatever a codestream says
    photometric: str
    planar: bool  # the samples of a colour are in planes
    transfer_syntax: str

    @property
    def values(self) -> int:
        """Values in one frame: rows × columns × samples."""
        return self.rows * self.columns * self.samples

    @property
    def frame_bits(self) -> int:
        """Bits of one uncompressed frame. A YBR_FULL_422 pixel has two samples (PS3.3 C.7.6.3.1.2)."""
        samples = 2 if self.photometric == "YBR_FULL_422" else self.samples
        return self.rows * self.columns * samples * self.bits_allocated

    @property
    def encapsulated(self) -> bool:
        return self.transfer_syntax in syntaxes.ENCAPSULATED


def geometry_of(layout: Layout, data: Dataset) -> Geometry:
    """Read and check the numbers. Raises Unreadable."""
    if not layout.pixel_tag:
        raise Unreadable(Problem.NO_PICTURE)
    if layout.pixel_tag != PIXEL_DATA:
        raise Unreadable(Problem.UNSUPPORTED_VALUES, bits=32)
    rows, columns = integer_of(data, "Rows") or 0, integer_of(data, "Columns") or 0
    said = text_of(data, "NumberOfFrames")
    frames = integer_of(data, "NumberOfFrames") if said else 1
    samples = integer_of(data, "SamplesPerPixel") or 1
    allocated = integer_of(data, "BitsAllocated") or 0
    stored = integer_of(data, "BitsStored") or allocated
    high = integer_of(data, "HighBit")
    if not (0 < rows < 1 << 16 and 0 < columns < 1 << 16) or not frames or frames < 1:
        raise Unreadable(Problem.DAMAGED)
    _check_size(rows, columns, frames, samples, allocated)
    if allocated not in {1, 8, 16} or samples not in {1, 3}:
        raise Unreadable(Problem.UNSUPPORTED_VALUES, bits=allocated)
    high = stored - 1 if high is None else high
    if not (0 < stored <= high + 1 <= allocated):
        raise Unreadable(Problem.DAMAGED)
    photometric = text_of(data, "PhotometricInterpretation").upper()
    _check_colours(photometric, samples, allocated)
    planar = samples > 1 and integer_of(data, "PlanarConfiguration") == 1
    signed = integer_of(data, "PixelRepresentation") == 1
    return Geometry(
        rows, columns, frames, samples, allocated, stored, high, signed, photometric, planar, _syntax(layout)
    )


def _check_size(rows: int, columns: int, frames: int, samples: int, allocated: int) -> None:
    if rows * columns > limits.MAX_FRAME_PIXELS:
        raise Unreadable(
            Problem.TOO_MANY_PIXELS, columns=columns, rows=rows, millions=limits.MAX_FRAME_PIXELS // 1_000_000
        )
    total = rows * columns * frames * samples * math.ceil(allocated / 8)
    if frames > limits.MAX_FRAMES or total > limits.MAX_VALUE_BYTES:
        raise Unreadable(
            Problem.TOO_MANY_FRAMES,
            frames=frames,
            most=limits.MAX_FRAMES,
            megabytes=limits.MAX_VALUE_BYTES // 1_000_000,
        )


def _check_colours(photometric: str, samples: int, allocated: int) -> None:
    wanted = 1 if photometric in GREY | {PALETTE} else 3 if photometric in COLOURS else 0
    if wanted != samples or (allocated == 1 and samples != 1):
        raise Unreadable(Problem.UNSUPPORTED_COLOURS, colours=photometric[:32], samples=samples)


def _syntax(layout: Layout) -> str:
    """The transfer syntax of the pixels. Raises Unreadable for one that no reader here knows."""
    syntax = layout.transfer_syntax
    if syntaxes.is_video(syntax):
        raise Unreadable(Problem.VIDEO)
    if syntax not in syntaxes.NATIVE | syntaxes.ENCAPSULATED:
        raise Unreadable(Problem.UNKNOWN_SYNTAX, syntax=syntax)
    if (layout.fragments is not None) != (syntax in syntaxes.ENCAPSULATED):
        raise Unreadable(Problem.DAMAGED)
    return syntax


def check_native_length(layout: Layout, geometry: Geometry) -> None:
    """Uncompressed pixels must be as many as the header says. Raises Unreadable.

    A single pad byte is allowed, and so are zero bytes after the last frame, which some writers add.
    """
    wanted = math.ceil(geometry.frame_bits * geometry.frames / 8)
    held = layout.pixels.length
    if held < wanted:
        raise Unreadable(Problem.WRONG_LENGTH, held=held, wanted=wanted)
    if held > wanted + 1:
        rest = memoryview(layout.body)[layout.pixels.start + wanted : layout.pixels.start + held]
        if held - wanted > geometry.columns * 4 or any(rest):
            raise Unreadable(Problem.WRONG_LENGTH, held=held, wanted=wanted)
        layout.remarks.append("padding after the pixels")
