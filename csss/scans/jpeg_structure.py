"""Check from its markers and tables whether a JPEG is complete; the decoder checks the coded data.

Decoders tolerate much. When progressive scans are missing they return a picture without fine detail, and a
corrupted table gives a different picture. These checks need no decoding.
"""

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

from csss.scans.picture_codec import MAX_PIXELS, Unsupported

END_MARK = b"\xff\xd9"
_SOI, _EOI, _SOS, _DQT, _DHT, _DRI, _TEM = 0xD8, 0xD9, 0xDA, 0xDB, 0xC4, 0xDD, 0x01
_BASELINE, _EXTENDED, _PROGRESSIVE, _LOSSLESS = 0xC0, 0xC1, 0xC2, 0xC3
_ARITHMETIC = {0xC9, 0xCA}
_FRAMES = {*range(0xC0, 0xD0)} - {_DHT, 0xC8, 0xCC}
# More than any camera, scanner or printing program writes. A file that consists of nothing else costs seconds of
# CPU time, because the decoder passes over all pixels once per scan. Programs that optimise for size write about a
# dozen scans.
_MOST_SEGMENTS, _MOST_SCANNED = 5_000, 4_000_000_000
# A marker that ends coded data. A zero after 0xff, restart markers and fill bytes are part of the data.
_END_OF_CODED = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")


class BrokenJpeg(ValueError):
    """The file does not match its own header."""


class Costly(MemoryError):
    """The file may be complete, but decoding it would take more CPU time than a picture may use."""


@dataclass
class _Frame:
    marker: int
    width: int
    height: int
    tables: dict[int, int]  # component id: number of its quantisation table
    # How precisely each coefficient of a component is known: the last bit that was sent, or None before the first
    # scan.
    known: dict[int, list[int | None]]


@dataclass
class _Walk:
    frame: _Frame | None = None
    quantisation: dict[int, tuple[int, ...]] = field(default_factory=dict)
    huffman: set[int] = field(default_factory=set)
    scanned: int = 0  # pixels, counted once per scan


def checked(content: bytes) -> bytes:
    """Return the picture without anything after its end mark; add an end mark where only that is missing.

    Raises BrokenJpeg, Unsupported, Costly.
    """
    walk = _Walk()
    try:
        for marker, start, end in _segments(content):
            if marker == _EOI:
                _check_all_came(walk)
                return content[:end]
            _take(walk, marker, content[start:end])
    except (IndexError, struct.error, KeyError) as error:
        raise BrokenJpeg("a segment does not hold what it says") from error
    _check_all_came(walk)
    return content.removesuffix(b"\xff") + END_MARK


def _segments(content: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield each marker with the start and end of its payload; the file may end after the last scan."""
    if not content.startswith(b"\xff\xd8"):
        raise BrokenJpeg("no JPEG")
    at, scans, segments = 2, 0, 0
    while True:
        if at >= len(content) or (at == len(content) - 1 and content[at] == 0xFF):
            if not scans:
                raise BrokenJpeg("it ends before its picture")
            return
        if content[at] != 0xFF:
            raise BrokenJpeg("bytes that belong to nothing")
        while content[at] == 0xFF:
            at += 1
        marker, at = content[at], at + 1
        if marker == _EOI:
            yield marker, at, at
            return
        if marker in {0, _SOI, _TEM} or 0xD0 <= marker <= 0xD7:
            raise BrokenJpeg("a marker in a wrong place")
        (length,) = struct.unpack_from(">H", content, at)
        end = at + length
        if length < 2 or end > len(content):
            raise BrokenJpeg("a segment longer than the file")
        yield marker, at + 2, end
        at, segments = end, segments + 1
        if marker == _SOS:
            scans += 1
            found = _END_OF_CODED.search(content, at)
            at = found.start() if found else len(content)
        if segments > _MOST_SEGMENTS:
            raise BrokenJpeg("more segments than a picture has")


def _take(walk: _Walk, marker: int, body: bytes) -> None:
    if marker == _DQT:
        _take_quantisation(walk, body)
    elif marker == _DHT:
        _take_huffman(walk, body)
    elif marker == _DRI and len(body) != 2:
        raise BrokenJpeg("a restart interval of another length")
    elif marker in _FRAMES:
        if walk.frame is not None:
            raise BrokenJpeg("two pictures in one")
        walk.frame = _frame(marker, body)
    elif marker == _SOS:
        _take_scan(walk, body)


def _take_quantisation(walk: _Walk, body: bytes) -> None:
    at = 0
    while at < len(body):
        wide, number = divmod(body[at], 16)
        table = struct.unpack_from(">64H" if wide else "64B", body, at + 1)
        if wide > 1 or number > 3 or 0 in table:
            raise BrokenJpeg("no quantisation table")
        walk.quantisation[number] = table
        at += 129 if wide else 65


def _take_huffman(walk: _Walk, body: bytes) -> None:
    at = 0
    while at < len(body):
        kind, number = divmod(body[at], 16)
        lengths = body[at + 1 : at + 17]
        symbols = body[at + 17 : at + 17 + sum(lengths)]
        at += 17 + sum(lengths)
        room = 0.0  # fraction of the code space in use; the code of all ones is reserved
        for length, number_of in enumerate(lengths, start=1):
            room += number_of / 2**length
        if kind > 1 or number > 3 or at > len(body) or len(set(symbols)) < len(symbols) or room > 1:
            raise BrokenJpeg("no Huffman table")
        walk.huffman.add(16 * kind + number)


def _frame(marker: int, body: bytes) -> _Frame:
    bits, height, width, count = struct.unpack_from(">BHHB", body)
    if len(body) != 6 + 3 * count or not 1 <= count <= 4 or not height or not width:
        raise BrokenJpeg("no frame")
    if marker in _ARITHMETIC or marker == _LOSSLESS or (marker != _BASELINE and bits == 12):
        raise Unsupported("12 bits, lossless or arithmetic")
    if marker not in {_BASELINE, _EXTENDED, _PROGRESSIVE} or bits != 8:
        raise BrokenJpeg("a frame of no known kind")
    parts = [body[6 + 3 * each : 9 + 3 * each] for each in range(count)]
    if any(not (1 <= part[1] >> 4 <= 4 and 1 <= part[1] & 15 <= 4) for part in parts):
        raise BrokenJpeg("no sampling")
    known: dict[int, list[int | None]] = {part[0]: [None] * 64 for part in parts}
    if len(known) != count:
        raise BrokenJpeg("two components of one name")
    return _Frame(marker, width, height, {part[0]: part[2] for part in parts}, known)


def _take_scan(walk: _Walk, body: bytes) -> None:
    """Refine coefficients `first` to `last` down to bit `low`; `high` is the bit down to which they were known."""
    frame, count = walk.frame, body[0]
    if frame is None or len(body) != 2 * count + 4 or not 1 <= count <= 4:
        raise BrokenJpeg("no scan")
    first, last, (high, low) = body[-3], body[-2], divmod(body[-1], 16)
    if frame.marker == _PROGRESSIVE:
        right = first <= last < 64 and (first > 0) == (last > 0) and (first == 0 or count == 1)
        right = right and high in {0, low + 1}
    else:
        right = (first, last, high, low) == (0, 63, 0, 0)
    if not right:
        raise BrokenJpeg("a scan of no known kind")
    walk.scanned += min(
        frame.width * frame.height, MAX_PIXELS
    )  # larger pictures are refused later for their size
    if walk.scanned > _MOST_SCANNED:
        raise Costly("more scans than a picture has")
    for each in range(count):
        component, tables = body[1 + 2 * each], body[2 + 2 * each]
        known = frame.known[component]
        if any(known[at] != (high or None) for at in range(first, last + 1)):
            raise BrokenJpeg("a scan that does not go on where the last one ended")
        known[first : last + 1] = [low] * (last - first + 1)
        if frame.tables[component] not in walk.quantisation:
            raise BrokenJpeg("no quantisation table for a component")
        wanted = {tables >> 4} if first == 0 and high == 0 else set()
        wanted |= {16 + tables % 16} if last else set()
        if not wanted <= walk.huffman:
            raise BrokenJpeg("no Huffman table for a scan")


def _check_all_came(walk: _Walk) -> None:
    if walk.frame is None or any(set(known) != {0} for known in walk.frame.known.values()):
        raise BrokenJpeg("scans that never came")
