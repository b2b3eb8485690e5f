"""Open untrusted pictures. No other code does this.

It runs in a child process (`csss.confinement.parent`), knows neither the application nor the database, and imports
little. It never returns the file that was sent. It writes a new file from the pixels, so nothing can hide in it,
and it makes the small versions from the same pixels. Two checks tell whether a picture is complete: one reads the
file's structure (`jpeg_structure`, `png_structure`), the other is a decoder that reports as errors what libjpeg
only warns of. `csss.picture_formats` lists the formats; one module per format opens and writes it
(`picture_codec`).
"""

import io
import struct
import zlib
from enum import IntEnum
from importlib import import_module
from typing import NamedTuple, cast

from PIL import ExifTags, Image, ImageOps, TiffImagePlugin

from csss.picture_formats import JPEG, PICTURE_FORMATS, PictureFormat, format_of
from csss.scans import depth
from csss.scans.picture_codec import MAX_PIXELS, PictureCodec, Unsupported, exif_of

MIN_SIDE = 64
MAX_RATIO = 10  # longer side to shorter side; pictures of whole legs and spines have about 4
# Loaded at import: the sandboxed child cannot open files later.
CODECS: dict[PictureFormat, PictureCodec] = {
    each: cast(PictureCodec, import_module(each.codec)) for each in PICTURE_FORMATS
}
# What Pillow raises for damaged or truncated files (its SyntaxError does not concern our own code).
_UNREADABLE = (OSError, SyntaxError, ValueError, TypeError, EOFError, LookupError, struct.error, zlib.error)


class Size(NamedTuple):
    """Limits for a small version: its longer side in pixels, and its size in bytes (powers of ten)."""

    area: str  # the storage area that keeps it
    side: int
    bytes: int


# 512 pixels are more than a phone shows, and about the width of a column on the reading page.
PREVIEW = Size("previews", 512, 15_000)
THUMBNAIL = Size("thumbnails", 112, 3_000)
_QUALITIES = (82, 74, 66, 58, 50, 42)


class Verdict(IntEnum):
    TAKEN = 0
    DAMAGED = 1
    TOO_MANY_PIXELS = 2
    TOO_SMALL = 3
    TOO_LONG = 4
    TRANSPARENT = 5
    UNSUPPORTED = 6


class DecodedPicture(NamedTuple):
    """The result of decoding a picture. `content` is empty unless the picture was accepted.

    `original` is a 16-bit PNG where `content` has fewer grey levels than the upload; otherwise it is empty.
    """

    verdict: Verdict
    width: int = 0
    height: int = 0
    content: bytes = b""
    preview: bytes = b""
    thumbnail: bytes = b""
    original: bytes = b""


# The first byte of a request says what the child should do.
TAKE_IN = b"t"
SHRINK = {PREVIEW: b"p", THUMBNAIL: b"n"}

_FRAME = struct.Struct(">BIIIIII")


def warm_up() -> None:
    """Load everything that reading and writing need: the sandbox allows no opening of files later."""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    for kind, codec in CODECS.items():
        for mode in codec.SAMPLE_MODES:
            target = io.BytesIO()
            Image.new(mode, (MIN_SIDE, MIN_SIDE)).save(target, kind.name, exif=exif)
            rewrite(target.getvalue())
        for sample in codec.SAMPLES:
            rewrite(sample)
    # Pillow looks this setting up only when such a file arrives, so check it now.
    if TiffImagePlugin.READ_LIBTIFF:
        raise RuntimeError("TIFF pictures inside others must be read by Pillow itself")


def answer(request: bytes) -> bytes:
    """Serve one request in the child; its first byte says what to do."""
    what, content = request[:1], request[1:]
    if what == TAKE_IN:
        return pack(rewrite(content))
    size = next(size for size, letter in SHRINK.items() if letter == what)
    return shrink(content, size)


def pack(written: DecodedPicture) -> bytes:
    bodies = (written.content, written.preview, written.thumbnail, written.original)
    return _FRAME.pack(written.verdict, written.width, written.height, *map(len, bodies)) + b"".join(bodies)


def unpack(answer: bytes) -> DecodedPicture:
    """Parse the child's answer in the parent, which does not trust the child. Raises ValueError."""
    try:
        verdict, width, height, *lengths = _FRAME.unpack_from(answer)
    except struct.error as error:
        raise ValueError("no answer of this program") from error
    bodies, start = [], _FRAME.size
    for length in lengths:
        bodies.append(answer[start : start + length])
        start += length
    if start != len(answer):
        raise ValueError("an answer of another length than it says")
    return DecodedPicture(Verdict(verdict), width, height, *bodies)


def rewrite(content: bytes) -> DecodedPicture:
    """Write the picture again from its pixels: 8-bit grey or RGB, upright, with nothing else in the file."""
    kind = format_of(content)
    if kind is None:
        return DecodedPicture(Verdict.DAMAGED)
    codec = CODECS[kind]
    try:
        content = codec.sound(content)
        original = codec.file_of(content)
        if refused := _size_refused(*original.size):
            return refused
        turn = original.getexif().get(ExifTags.Base.Orientation)
        opened = codec.read(content, turn)
    except Unsupported:
        return DecodedPicture(Verdict.UNSUPPORTED)
    except depth.Transparent:
        return DecodedPicture(Verdict.TRANSPARENT)
    except _UNREADABLE:
        return DecodedPicture(Verdict.DAMAGED)
    picture = _upright(opened.picture, turn)
    picture.info = {}  # Pillow would write the colour profile, comment and transparency that are kept here
    small = _shrunk(picture, PREVIEW)
    written = codec.write(picture, opened.like if picture is opened.picture else None)
    thumbnail = _shrunk(_opened(small), THUMBNAIL)
    return DecodedPicture(Verdict.TAKEN, *picture.size, written, small, thumbnail, opened.original)


def _upright(picture: Image.Image, turn: int | None) -> Image.Image:
    """Turn the picture upright; return the same object when no turn is needed."""
    if turn not in range(2, 9):
        return picture
    picture.info = {"exif": b"Exif\0\0" + exif_of(turn)}
    return ImageOps.exif_transpose(picture)


def _size_refused(width: int, height: int) -> DecodedPicture | None:
    if width * height > MAX_PIXELS:
        return DecodedPicture(Verdict.TOO_MANY_PIXELS)
    if min(width, height) < MIN_SIDE:
        return DecodedPicture(Verdict.TOO_SMALL, width, height)
    if max(width, height) > MAX_RATIO * min(width, height):
        return DecodedPicture(Verdict.TOO_LONG, width, height)
    return None


# Small versions.


def shrink(content: bytes, size: Size) -> bytes:
    """Make a progressive JPEG of a stored picture within `size`, as sharp as the byte limit allows."""
    return _shrunk(_opened(content, size), size)


def _opened(content: bytes, size: Size | None = None) -> Image.Image:
    original = CODECS[format_of(content) or JPEG].file_of(content)
    if size is not None:
        original.draft(None, (size.side, size.side))  # decodes a large JPEG only at the needed resolution
    original.load()
    original.info = {}
    return original


def _shrunk(picture: Image.Image, size: Size) -> bytes:
    small = picture if picture.mode in {"L", "RGB"} else picture.convert("RGB")
    if max(small.size) > size.side:
        ratio = size.side / max(small.size)
        wanted = (max(1, round(small.width * ratio)), max(1, round(small.height * ratio)))
        small = small.resize(wanted, Image.Resampling.LANCZOS, reducing_gap=3.0)
    while True:
        for quality in _QUALITIES:
            target = io.BytesIO()
            small.save(target, JPEG.name, quality=quality, optimize=True, progressive=True)
            if target.tell() <= size.bytes:
                return target.getvalue()
        # Noise does not compress, so reduce the number of pixels.
        small = small.resize(
            (max(1, small.width * 4 // 5), max(1, small.height * 4 // 5)), Image.Resampling.LANCZOS
        )
