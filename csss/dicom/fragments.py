"""Assign the fragments of compressed pixels to frames (PS3.5 A.4)."""

import struct

from pydicom.dataset import Dataset

from csss.dicom.headers import value_of
from csss.dicom.problems import Problem, Unreadable
from csss.dicom.structure import Layout, Span

# How a frame's codestream begins: JPEG and JPEG-LS, JPEG 2000, and a JP2 file in spite of the standard.
_BEGINNINGS = (b"\xff\xd8", b"\xff\x4f\xff\x51", b"\0\0\0\x0cjP")


def frame_of(layout: Layout, data: Dataset, frames: int, frame: int) -> bytes:
    """The codestream of a frame (from 0). Raises Unreadable."""
    if not layout.fragments:
        raise Unreadable(Problem.DAMAGED)
    table, fragments = layout.fragments[0], [each for each in layout.fragments[1:] if each.length]
    if not fragments:
        raise Unreadable(Problem.WRONG_LENGTH, held=0, wanted=frames)
    body = memoryview(layout.body)
    chosen = fragments if frames == 1 else fragments[frame : frame + 1]
    if frames not in {1, len(fragments)}:
        starts = _starts(body, data, table, fragments)
        if len(starts) != frames:
            starts = [number for number, each in enumerate(fragments) if _begins(body, each)]
        if len(starts) != frames or starts[0] != 0:
            raise Unreadable(Problem.WRONG_LENGTH, held=len(fragments), wanted=frames)
        chosen = fragments[starts[frame] : (*starts, len(fragments))[frame + 1]]
    return b"".join(body[at : at + length] for at, length in chosen)


def _begins(body: memoryview, fragment: Span) -> bool:
    return bytes(body[fragment.start : fragment.start + 8]).startswith(_BEGINNINGS)


def _starts(body: memoryview, data: Dataset, table: Span, fragments: list[Span]) -> list[int]:
    """Which fragments begin a frame, as an offset table says; empty if it says nothing or something wrong."""
    first = fragments[0].start - 8
    offsets: list[int] = []
    if table.length and table.length % 4 == 0:
        offsets = list(struct.unpack_from(f"<{table.length // 4}I", body, table.start))
    elif isinstance(extended := value_of(data, "ExtendedOffsetTable"), bytes) and len(extended) % 8 == 0:
        offsets = list(struct.unpack(f"<{len(extended) // 8}Q", extended))
    numbers = {each.start - 8 - first: number for number, each in enumerate(fragments)}
    found = [numbers[each] for each in offsets if each in numbers]
    return found if len(found) == len(offsets) and found == sorted(set(found)) else []
