"""Check that a PNG is complete: all chunks match their checksums, and there are exactly the rows that the header
promises."""

import struct
import zlib
from collections.abc import Iterator
from typing import NamedTuple

SIGNATURE = b"\x89PNG\r\n\x1a\n"
END = struct.pack(">I", 0) + b"IEND" + struct.pack(">I", zlib.crc32(b"IEND"))
_CRITICAL = {b"IHDR", b"PLTE", b"IDAT", b"IEND"}
# Channels per pixel by colour type, and the allowed bit depths.
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_BITS = {0: {1, 2, 4, 8, 16}, 2: {8, 16}, 3: {1, 2, 4, 8}, 4: {8, 16}, 6: {8, 16}}
# Adam7 interlacing: where each pass begins, and its steps.
_PASSES = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
_PIECE = 1 << 20
_MOST_CHUNKS = 200_000  # in 64 MB, the largest file that any setting allows, one chunk per 320 bytes


class BrokenPng(ValueError):
    """The file does not match its own header and checksums."""


def checked(content: bytes) -> bytes:
    """Return the picture without anything after its end; add the end chunk where only that is missing. Raises
    BrokenPng."""
    packed: list[bytes] = []
    head, last, whole, over = b"", b"", content + END, False
    for name, body, end in _chunks(content):
        if not last:
            if name != b"IHDR" or len(body) != 13:
                raise BrokenPng("no head")
            head = body
        elif name == b"IHDR" or (name[0] < 0x60 and name not in _CRITICAL):
            raise BrokenPng("a critical chunk that nobody knows")
        if name == b"IDAT":
            if packed and last != b"IDAT":
                raise BrokenPng("pixels in two places")
            packed.append(body)
        last, over = name, name == b"IEND"
        if over:
            whole = content[:end]
            break
    if not packed:
        raise BrokenPng("no pixels")
    _check_rows(packed, _length(head))
    return whole


class PngHead(NamedTuple):
    """The header of a PNG. Colour type and bit depth as in the PNG standard."""

    width: int
    height: int
    bits: int
    colour: int

    @property
    def grey(self) -> bool:
        return self.colour in {0, 4}


def head_of(content: bytes) -> PngHead:
    """Read the header. Raises BrokenPng."""
    for _, body, _ in _chunks(content):
        return PngHead(*struct.unpack_from(">IIBB", body))
    raise BrokenPng("no head")


def bare(content: bytes, *, turned: bytes = b"") -> bytes:
    """Keep only the chunks that the pixels need, bit for bit: no text, no profile, no second picture.

    `turned` is an Exif block with the orientation to keep.
    """
    parts = [SIGNATURE]
    for name, body, _ in _chunks(content):
        if name == b"IDAT" and turned:
            parts.append(_chunk(b"eXIf", turned))
            turned = b""
        if name in _CRITICAL or name == b"tRNS":
            parts.append(_chunk(name, body))
        if name == b"IEND":
            break
    return b"".join(parts)


def _chunk(name: bytes, body: bytes) -> bytes:
    checksum = zlib.crc32(body, zlib.crc32(name))
    return struct.pack(">I4s", len(body), name) + body + struct.pack(">I", checksum)


def _chunks(content: bytes) -> Iterator[tuple[bytes, bytes, int]]:
    """Yield name, content and end position of each chunk."""
    if not content.startswith(SIGNATURE):
        raise BrokenPng("no PNG")
    at, chunks = len(SIGNATURE), 0
    while at < len(content):
        if len(content) - at < 12:
            # This can only be the start of the end chunk: a chunk that is longer than the file is no end mark.
            if END.startswith(content[at:]):
                return
            raise BrokenPng("a chunk cut off")
        length, name = struct.unpack_from(">I4s", content, at)
        end = at + 12 + length
        if end > len(content):
            raise BrokenPng("a chunk cut off")
        body = content[at + 8 : end - 4]
        if struct.unpack_from(">I", content, end - 4)[0] != zlib.crc32(body, zlib.crc32(name)):
            raise BrokenPng("a wrong checksum")
        if not name.isalpha():
            raise BrokenPng("a chunk of no name")
        if chunks == _MOST_CHUNKS:
            raise BrokenPng("more chunks than a picture has")
        yield name, body, end
        at, chunks = end, chunks + 1


def _length(head: bytes) -> int:
    """Calculate the size of the unpacked rows in bytes."""
    width, height, bits, colour, packing, filters, interlaced = struct.unpack(">IIBBBBB", head)
    if colour not in _CHANNELS or bits not in _BITS[colour] or packing or filters or interlaced > 1:
        raise BrokenPng("a head of no known kind")
    steps = _PASSES if interlaced else [(0, 0, 1, 1)]
    total = 0
    for x, y, dx, dy in steps:
        columns, rows = -(-(width - x) // dx), -(-(height - y) // dy)
        if columns > 0 and rows > 0:
            total += rows * (1 + (columns * bits * _CHANNELS[colour] + 7) // 8)
    return total


def _check_rows(packed: list[bytes], expected: int) -> None:
    """Unpack once to count the bytes, one piece at a time. The stream must end by itself, with its checksum, after
    the last row."""
    unpacker, length = zlib.decompressobj(), 0
    for each in packed:
        rest = each
        while rest and not unpacker.eof:
            length += len(unpacker.decompress(rest, _PIECE))
            rest = unpacker.unconsumed_tail
            if length > expected:
                raise BrokenPng("more rows than the head says")
    while not unpacker.eof:
        piece = unpacker.decompress(unpacker.unconsumed_tail, _PIECE)
        if not piece:
            raise BrokenPng("pixels without an end")
        length += len(piece)
    if length != expected or unpacker.unused_data:
        raise BrokenPng("other rows than the head says")
