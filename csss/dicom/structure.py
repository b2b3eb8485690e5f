"""Check the structure of a DICOM file in one pass, before anything else reads it (PS3.5 section 7, PS3.10 section 7).

The pass is a loop over a stack, so nesting costs no recursion, and it copies no value. It bounds nesting and the
number of elements, sees that every length lies within the one around it, inflates a deflated data set within a
limit, and tells where the pixels are. `csss.dicom.headers` reads values from what has passed here.
"""

import struct
import zlib
from dataclasses import dataclass, field
from typing import NamedTuple

from pydicom.datadict import dictionary_VR
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ImplicitVRLittleEndian

from csss.dicom.first_bytes import PREAMBLE, letters, looks_like_dicom
from csss.dicom.limits import MAX_ELEMENTS, MAX_INFLATED, MAX_META_ELEMENTS, MAX_NESTING
from csss.dicom.problems import Problem, Unreadable

PIXEL_DATA = 0x7FE00010
PIXELS = {0x7FE00008, 0x7FE00009, PIXEL_DATA}  # floats, doubles, integers
TRANSFER_SYNTAX = 0x00020010
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_UNDEFINED = 0xFFFFFFFF
_LONG = {b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"}


class Span(NamedTuple):
    """A part of the data set's bytes."""

    start: int
    length: int


_NOTHING = Span(0, 0)


@dataclass
class Layout:
    """Where things are in a file whose structure is sound."""

    body: bytes  # the whole file, or the inflated data set
    start: int  # where the data set begins in `body`
    implicit: bool
    little_endian: bool
    transfer_syntax: str  # as the file says, or guessed from its first bytes
    pixel_tag: int = 0  # 0: no picture
    pixel_vr: bytes = b""
    pixels: Span = _NOTHING  # native pixels
    fragments: list[Span] | None = None  # encapsulated pixels; the first one is the offset table (PS3.5 A.4)
    elements: int = 0
    remarks: list[str] = field(default_factory=list)


def layout_of(content: bytes) -> Layout:
    """Walk over the whole file. Raises Unreadable."""
    if not looks_like_dicom(content):
        raise Unreadable(Problem.NOT_DICOM)
    start = PREAMBLE + 4 if content[PREAMBLE : PREAMBLE + 4] == b"DICM" else 0
    remarks = [] if start else ["no preamble"]
    syntax, start = _meta(content, start)
    body = content
    if syntax == DeflatedExplicitVRLittleEndian:
        body, start = _inflated(memoryview(content)[start:]), 0
    if start >= len(body):
        raise Unreadable(Problem.CUT_OFF)
    little = syntax != ExplicitVRBigEndian if syntax else _is_little(body, start)
    implicit = not letters(body[start + 4 : start + 6])
    if not syntax:
        remarks.append("no transfer syntax")
        syntax = _guess(implicit, little)
    elif implicit != (syntax == ImplicitVRLittleEndian):
        remarks.append("explicit and implicit value representations are confused")
    layout = Layout(body, start, implicit, little, syntax, remarks=remarks)
    _ElementWalk(layout).run()
    return layout


def _guess(implicit: bool, little: bool) -> str:
    if implicit:
        return str(ImplicitVRLittleEndian)
    return "1.2.840.10008.1.2.1" if little else str(ExplicitVRBigEndian)


def _is_little(body: bytes, start: int) -> bool:
    return body[start : start + 1] != b"\0"


def _meta(content: bytes, at: int) -> tuple[str, int]:
    """Read the file meta information, which is always explicit little endian (PS3.10 section 7.1).

    Returns the transfer syntax, empty if none is said, and where the data set begins.
    """
    syntax = ""
    for _ in range(MAX_META_ELEMENTS):
        if content[at : at + 2] != b"\x02\0":
            return syntax, at
        head = content[at : at + 12]
        if len(head) < 12 or not letters(head[4:6]):
            return syntax, at
        long = head[4:6] in _LONG
        length = struct.unpack_from("<I", head, 8)[0] if long else struct.unpack_from("<H", head, 6)[0]
        value = at + (12 if long else 8)
        if value + length > len(content):
            raise Unreadable(Problem.CUT_OFF)
        if struct.unpack_from("<H", head, 2)[0] == TRANSFER_SYNTAX & 0xFFFF:
            syntax = content[value : value + length].rstrip(b"\0 ").decode("ascii", "replace")[:64]
        at = value + length
    raise Unreadable(Problem.TOO_MANY_ELEMENTS)


def _inflated(packed: memoryview) -> bytes:
    """Inflate a deflated data set (PS3.5 A.5), never to more than the limit. Raises Unreadable."""
    unpacker = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        body = unpacker.decompress(packed, MAX_INFLATED + 1)
    except zlib.error:
        raise Unreadable(Problem.DAMAGED) from None
    if len(body) > MAX_INFLATED:
        raise Unreadable(Problem.INFLATES_TOO_FAR, megabytes=MAX_INFLATED // 1_000_000)
    if not unpacker.eof:
        raise Unreadable(Problem.CUT_OFF)
    return body


class _Level(NamedTuple):
    """A sequence (whose content are items) or an item (whose content are elements) that is being walked."""

    end: int | None  # None: a delimiter ends it
    bound: int  # where the level around it ends
    implicit: bool
    items: bool


class _ElementWalk:
    """One pass over a data set, which fills in a Layout."""

    def __init__(self, layout: Layout) -> None:
        self._layout, self._body, self._size = layout, layout.body, len(layout.body)
        order = "<" if layout.little_endian else ">"
        self._short, self._long, self._tag = (struct.Struct(order + each) for each in ("H", "I", "HH"))
        self._levels = [_Level(self._size, self._size, layout.implicit, False)]

    def run(self) -> None:
        at = self._layout.start
        while self._levels:
            level = self._levels[-1]
            if level.end is not None and at >= level.end:
                if at > level.end:
                    raise Unreadable(Problem.DAMAGED)
                self._levels.pop()
            elif at + 8 > level.bound:
                if len(self._levels) == 1 and not any(self._body[at:]):
                    return  # a few bytes of padding
                raise Unreadable(Problem.CUT_OFF if level.bound == self._size else Problem.DAMAGED)
            else:
                at = self._item(at, level) if level.items else self._element(at, level)

    def _count(self) -> None:
        self._layout.elements += 1
        if self._layout.elements > MAX_ELEMENTS:
            raise Unreadable(Problem.TOO_MANY_ELEMENTS)

    def _read_tag(self, at: int) -> int:
        group, element = self._tag.unpack_from(self._body, at)
        return int(group) << 16 | int(element)

    def _push(self, end: int | None, bound: int, implicit: bool, items: bool) -> None:
        if len(self._levels) > 2 * MAX_NESTING:
            raise Unreadable(Problem.TOO_DEEP, levels=MAX_NESTING)
        self._levels.append(_Level(end, bound, implicit, items))

    def _item(self, at: int, level: _Level) -> int:
        self._count()
        tag, length = self._read_tag(at), self._long.unpack_from(self._body, at + 4)[0]
        at += 8
        if tag == _SEQUENCE_END:
            self._levels.pop()
            return at
        if tag != _ITEM:
            raise Unreadable(Problem.DAMAGED)
        # Items of unknown origin may be implicit within an explicit file (PS3.5 section 6.2.2).
        implicit = level.implicit or not letters(self._body[at + 4 : at + 6])
        if length == _UNDEFINED:
            self._push(None, level.bound, implicit, items=False)
        else:
            self._within(at, length, level)
            self._push(at + length, at + length, implicit, items=False)
        return at

    def _within(self, at: int, length: int, level: _Level) -> None:
        if at + length > level.bound:
            raise Unreadable(Problem.CUT_OFF if at + length > self._size else Problem.DAMAGED)

    def _element(self, at: int, level: _Level) -> int:
        self._count()
        tag = self._read_tag(at)
        if tag in {_ITEM_END, _SEQUENCE_END}:
            if tag == _ITEM_END and level.end is None:
                self._levels.pop()
            return at + 8  # a delimiter that nothing needs is skipped, as other readers do
        vr, length, at = self._head(at, level)
        top = len(self._levels) == 1
        if length == _UNDEFINED:
            return self._undefined(tag, vr, at, level, top)
        self._within(at, length, level)
        if top and tag in PIXELS and not self._layout.pixel_tag:
            self._layout.pixel_tag, self._layout.pixel_vr = tag, vr
            self._layout.pixels = Span(at, length)
        elif self._is_sequence(tag, vr, at, length):
            self._push(at + length, at + length, level.implicit or vr != b"SQ", items=True)
            return at
        return at + length

    def _head(self, at: int, level: _Level) -> tuple[bytes, int, int]:
        """The value representation (empty if implicit), the length, and where the value begins."""
        vr = b"" if level.implicit else self._body[at + 4 : at + 6]
        if not letters(vr):
            return b"", self._long.unpack_from(self._body, at + 4)[0], at + 8
        if vr not in _LONG:
            return vr, self._short.unpack_from(self._body, at + 6)[0], at + 8
        if at + 12 > level.bound:
            raise Unreadable(Problem.CUT_OFF if level.bound == self._size else Problem.DAMAGED)
        return vr, self._long.unpack_from(self._body, at + 8)[0], at + 12

    def _is_sequence(self, tag: int, vr: bytes, at: int, length: int) -> bool:
        if vr == b"SQ":
            return True
        if vr not in {b"", b"UN"} or length < 8 or self._read_tag(at) != _ITEM:
            return False
        try:
            return dictionary_VR(tag) == "SQ"
        except KeyError:
            return False  # a private one, which nothing reads

    def _undefined(self, tag: int, vr: bytes, at: int, level: _Level, top: bool) -> int:
        if vr in {b"OB", b"OW"} or (top and tag == PIXEL_DATA):
            fragments, at = self._fragments(at, level)
            if top and tag == PIXEL_DATA and not self._layout.pixel_tag:
                self._layout.pixel_tag, self._layout.pixel_vr = tag, vr
                self._layout.fragments = fragments
            return at
        if vr not in {b"", b"SQ", b"UN"}:
            raise Unreadable(Problem.DAMAGED)
        self._push(None, level.bound, level.implicit or vr == b"UN", items=True)
        return at

    def _fragments(self, at: int, level: _Level) -> tuple[list[Span], int]:
        found: list[Span] = []
        while True:
            self._count()
            if at + 8 > level.bound:
                raise Unreadable(Problem.CUT_OFF)
            tag, length = self._read_tag(at), self._long.unpack_from(self._body, at + 4)[0]
            at += 8
            if tag == _SEQUENCE_END:
                return found, at
            if tag != _ITEM or length == _UNDEFINED:
                raise Unreadable(Problem.DAMAGED)
            self._within(at, length, level)
            found.append(Span(at, length))
            at += length
