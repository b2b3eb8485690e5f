"""Ways in which a picture file gets damaged, each drawn by a few numbers and always alike for the same ones.

`TOLD` are those that the file itself tells. `MAY_BE_SILENT` can leave a JPEG that is right by every rule of the format:
the coded data has no checksum and finds its step again a few blocks later, so that as many blocks come out as are wanted,
with nothing left over. Each has the share that is refused; see tests/integration/test_damages.py.
"""

import re
import struct
import zlib
from collections.abc import Callable

from PIL import Image

from tests.odd_files import END, chunk, saved, segments

Way = Callable[[bytes, float, float, int], bytes]
# Shorter than this, what is taken out or put in can leave a stream that is right again a few blocks later.
LONG = 600


def _coded(content: bytes) -> tuple[int, int]:
    """Where the coded data of the largest scan begins and ends."""
    _, at, end = max(
        (each for each in segments(content) if each[0] == 0xDA), key=lambda each: each[2] - each[1]
    )
    return at + 2 + struct.unpack_from(">H", content, at + 2)[0], end


def _place(content: bytes, where: float, length: int = 1) -> int:
    """Somewhere inside coded data, or inside the file for a PNG; at least `length` before its end."""
    start, end = _coded(content) if content.startswith(b"\xff\xd8") else (33, len(content) - 12)
    return start + int(where * max(1, end - start - length))


def _first(content: bytes, *markers: int) -> tuple[int, int]:
    """Where the first such segment begins and ends."""
    return next((at, end) for marker, at, end in segments(content) if marker in markers)


def _put(content: bytes, at: int, new: bytes) -> bytes:
    return content[:at] + new + content[at + len(new) :]


# Any file


def cut(content: bytes, where: float, _: float, __: int) -> bytes:
    return content[: 4 + int(where * (len(content) - 16 - 4))]


def taken_out(content: bytes, where: float, much: float, _: int) -> bytes:
    length = LONG + int(much * 4000)
    at = _place(content, where, length)
    return content[:at] + content[at + length :]


def doubled(content: bytes, where: float, much: float, _: int) -> bytes:
    length = LONG + int(much * 4000)
    at = _place(content, where, length)
    return content[: at + length] + content[at:]


def zeroed(content: bytes, where: float, much: float, _: int) -> bytes:
    length = LONG + int(much * 4000)
    at = _place(content, where, length)
    return _put(content, at, bytes(min(length, len(content) - at)))


def overwritten(content: bytes, where: float, much: float, _: int) -> bytes:
    """One part of the file where another one belongs, as by a disk that mixed up its blocks."""
    at, other = _place(content, where, LONG), _place(content, much, LONG)
    return _put(content, at, content[other : other + LONG])


def sent_as_text(content: bytes, _: float, __: float, ___: int) -> bytes:
    """Every line feed has got a return before it."""
    return content.replace(b"\n", b"\r\n")


# JPEG


def cut_with_end_mark(content: bytes, where: float, _: float, __: int) -> bytes:
    return content[: _place(content, where, 4)] + b"\xff\xd9"


def end_mark_early(content: bytes, where: float, _: float, __: int) -> bytes:
    return _put(content, _place(content, where, 4), b"\xff\xd9")


def without_end_mark(content: bytes, _: float, __: float, ___: int) -> bytes:
    return content[:-2]


def appended(content: bytes, where: float, much: float, value: int) -> bytes:
    return content + bytes([value]) * (1 + int(much * 500))


def before_end_mark(content: bytes, _: float, much: float, value: int) -> bytes:
    """More data than the picture has room for."""
    return content[:-2] + bytes([value % 255]) * (2 + int(much * 500)) + content[-2:]


def frame_marker(content: bytes, _: float, __: float, value: int) -> bytes:
    at, _end = _first(content, 0xC0, 0xC1, 0xC2)
    others = [each for each in range(0xC0, 0xD0) if each != content[at + 1]]
    return _put(content, at + 1, bytes([others[value % len(others)]]))


def height(content: bytes, where: float, _: float, __: int) -> bytes:
    return _size(content, 5, where)


def width(content: bytes, where: float, _: float, __: int) -> bytes:
    return _size(content, 7, where)


def _size(content: bytes, at: int, where: float) -> bytes:
    """By at least sixteen pixels: fewer may leave as many blocks, and a picture that misses some of its edge."""
    frame, _end = _first(content, 0xC0, 0xC1, 0xC2)
    (now,) = struct.unpack_from(">H", content, frame + at)
    choices = [each for each in range(64, 2 * now) if abs(each - now) >= 16]
    return _put(content, frame + at, struct.pack(">H", choices[int(where * len(choices))]))


def components(content: bytes, _: float, __: float, value: int) -> bytes:
    at, _end = _first(content, 0xC0, 0xC1, 0xC2)
    others = [each for each in range(6) if each != content[at + 9]]
    return _put(content, at + 9, bytes([others[value % len(others)]]))


def bits(content: bytes, _: float, __: float, value: int) -> bytes:
    at, _end = _first(content, 0xC0, 0xC1, 0xC2)
    return _put(content, at + 4, bytes([content[at + 4] ^ (1 << value % 8)]))


def sampling(content: bytes, _: float, __: float, value: int) -> bytes:
    at, _end = _first(content, 0xC0, 0xC1, 0xC2)
    return _put(content, at + 11, bytes([value]))


def huffman_lengths(content: bytes, where: float, _: float, value: int) -> bytes:
    at, _end = _first(content, 0xC4)
    place = at + 5 + int(where * 16)
    return _put(content, place, bytes([content[place] ^ (1 << value % 8)]))


def segment_length(content: bytes, where: float, _: float, value: int) -> bytes:
    found = segments(content)
    _, at, _end = found[int(where * len(found))]
    return _put(content, at + 3, bytes([content[at + 3] ^ (1 << value % 8)]))


def segment_lost(content: bytes, where: float, _: float, __: int) -> bytes:
    """A table, the frame, or a scan of a progressive picture."""
    found = [each for each in segments(content) if not 0xE0 <= each[0] <= 0xEF]
    _, at, end = found[int(where * len(found))]
    return content[:at] + content[end:]


def scan_lost(content: bytes, where: float, _: float, __: int) -> bytes:
    found = [each for each in segments(content) if each[0] == 0xDA]
    _, at, end = found[int(where * len(found))]
    return content[:at] + content[end:]


def restart_swapped(content: bytes, where: float, _: float, value: int) -> bytes:
    start, end = _coded(content)
    found = [each.start() for each in re.finditer(rb"\xff[\xd0-\xd7]", content[start:end])]
    if not found:
        return frame_marker(content, where, 0, value)
    at = start + found[int(where * len(found))]
    return _put(content, at + 1, bytes([0xD0 + (content[at + 1] + 1 + value % 7) % 8]))


def restart_interval(content: bytes, where: float, _: float, value: int) -> bytes:
    """Another one, or one where there is none."""
    more = b"\xff\xdd\x00\x04" + struct.pack(">H", 1 + value)
    at, _end = _first(content, 0xDA)
    return content[:at] + more + content[at:]


# PNG


def chunks(content: bytes) -> list[tuple[bytes, bytes]]:
    found, at = [], 8
    while at < len(content):
        length, name = struct.unpack_from(">I4s", content, at)
        found.append((name, content[at + 8 : at + 8 + length]))
        at += 12 + length
    return found


def _anew(content: bytes, parts: list[tuple[bytes, bytes]]) -> bytes:
    return content[:8] + b"".join(chunk(name, body) for name, body in parts)


def _with_pixels(content: bytes, change: Callable[[bytes], bytes]) -> bytes:
    """All checksums right."""
    body = b"".join(body for name, body in chunks(content) if name == b"IDAT")
    return content[:33] + chunk(b"IDAT", change(body)) + END


def rows_missing(content: bytes, where: float, _: float, __: int) -> bytes:
    def change(packed: bytes) -> bytes:
        rows = zlib.decompress(packed)
        return zlib.compress(rows[: int(where * (len(rows) - 1))])

    return _with_pixels(content, change)


def rows_too_many(content: bytes, _: float, much: float, value: int) -> bytes:
    return _with_pixels(
        content,
        lambda packed: zlib.compress(zlib.decompress(packed) + bytes([value]) * (1 + int(much * 2000))),
    )


def packed_altered(content: bytes, where: float, _: float, value: int) -> bytes:
    """Another bit in what is packed, and the chunk's checksum made right again."""

    def change(packed: bytes) -> bytes:
        at = int(where * len(packed))
        return _put(packed, at, bytes([packed[at] ^ (1 << value % 8)]))

    return _with_pixels(content, change)


def packed_cut(content: bytes, where: float, _: float, __: int) -> bytes:
    return _with_pixels(content, lambda packed: packed[: int(where * (len(packed) - 1))])


def unknown_chunk(content: bytes, where: float, _: float, value: int) -> bytes:
    parts = chunks(content)
    name = bytes([0x41 + value % 25]) + b"CRT"
    return _anew(content, [*parts[:1], (name, bytes(value)), *parts[1:]])


def checksum(content: bytes, where: float, _: float, value: int) -> bytes:
    at = 8 + int(where * (len(content) - 24))
    return _put(content, at, bytes([content[at] ^ (1 << value % 8)]))


def head_altered(content: bytes, where: float, _: float, value: int) -> bytes:
    """Size, depth, colours, or interlacing: one bit, with the checksum made right again."""
    parts = chunks(content)
    head = bytearray(parts[0][1])
    at = int(where * len(head))
    head[at] ^= 1 << value % 8
    return _anew(content, [(b"IHDR", bytes(head)), *parts[1:]])


def chunk_lost(content: bytes, where: float, _: float, __: int) -> bytes:
    parts = chunks(content)[:-1]
    gone = int(where * len(parts))
    return _anew(content, [each for at, each in enumerate(parts) if at != gone]) + END


def chunk_doubled(content: bytes, where: float, _: float, __: int) -> bytes:
    parts = chunks(content)[:-1]
    again = int(where * len(parts))
    return _anew(content, [*parts[: again + 1], *parts[again:]]) + END


_ANY = [cut, taken_out, doubled, sent_as_text, appended]
# Of a progressive JPEG's later scans some thousand blocks are one code, so even much may be missing without being missed.
NOT_OF_PROGRESSIVE = {taken_out, doubled}
TOLD: dict[str, list[Way]] = {
    "JPEG": [
        *_ANY, cut_with_end_mark, end_mark_early, without_end_mark, before_end_mark, frame_marker, height, width,
        components, bits, huffman_lengths, segment_length, segment_lost, scan_lost, restart_swapped,
        restart_interval,
    ],
    "PNG": [
        *_ANY, zeroed, overwritten,
        rows_missing, rows_too_many, packed_altered, packed_cut, unknown_chunk, checksum, head_altered,
        chunk_lost, chunk_doubled,
    ],
}  # fmt: skip


# Small changes inside a JPEG's coded data


def bit_flipped(content: bytes, where: float, _: float, value: int) -> bytes:
    at = _place(content, where)
    return _put(content, at, bytes([content[at] ^ (1 << value % 8)]))


def byte_changed(content: bytes, where: float, _: float, value: int) -> bytes:
    at = _place(content, where)
    return _put(content, at, bytes([value if value != content[at] else value ^ 0xFF]))


def bytes_lost(content: bytes, where: float, much: float, _: int) -> bytes:
    at = _place(content, where, 16)
    return content[:at] + content[at + 1 + int(much * 16) :]


def bytes_doubled(content: bytes, where: float, much: float, _: int) -> bytes:
    at = _place(content, where, 16)
    return content[: at + 1 + int(much * 16)] + content[at:]


def few_zeroed(content: bytes, where: float, much: float, _: int) -> bytes:
    return _put(content, _place(content, where, 16), bytes(1 + int(much * 16)))


def huffman_symbols(content: bytes, where: float, _: float, value: int) -> bytes:
    at, _end = _first(content, 0xC4)
    place = at + 21 + int(where * (sum(content[at + 5 : at + 21])))
    return _put(content, place, bytes([content[place] ^ (1 << value % 8)]))


def height_by_little(content: bytes, where: float, _: float, value: int) -> bytes:
    """As many blocks as before, so rows are missing at the lower edge, or filled-up ones show there."""
    frame, _end = _first(content, 0xC0, 0xC1, 0xC2)
    (now,) = struct.unpack_from(">H", content, frame + 5)
    return _put(content, frame + 5, struct.pack(">H", now + (1 + value % 7) * (1 if where > 0.5 else -1)))


# Of each, about the part that is refused or leaves the pixels alone; tests ask for a little less.
MAY_BE_SILENT: dict[Way, float] = {
    zeroed: 0.97, overwritten: 0.9, sampling: 0.97, huffman_symbols: 0.97, bytes_lost: 0.42, bytes_doubled: 0.56,
    few_zeroed: 0.32, byte_changed: 0.2, bit_flipped: 0.15, height_by_little: 0.35,
}  # fmt: skip


# Good files


def encodings(grey: Image.Image) -> dict[str, bytes]:
    """A grey picture in the ways it may be sent."""
    colour = Image.merge("RGB", (grey, grey, grey.point([min(each + 9, 255) for each in range(256)])))
    return {
        "JPEG": saved(grey, "JPEG", quality=90),
        "JPEG progressive": saved(colour, "JPEG", quality=85, progressive=True),
        "PNG grey": saved(grey),
        "PNG colour": saved(colour, compress_level=1),
        "JPEG with restarts": saved(colour, "JPEG", quality=75, restart_marker_rows=1),
    }
