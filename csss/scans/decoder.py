"""The only code that opens pictures of strangers. It runs in a child process (`csss.confined`), knows neither the
application nor the database, and imports little.

What it gives back is never the file that was sent but one written from its pixels, so nothing can hide in it; and, since
the pixels are at hand, the small versions of it. DICOM will be a further function beside `_read_picture`, chosen by the
first bytes.
"""

import io
import struct
import zlib
from enum import IntEnum
from typing import NamedTuple

from PIL import ExifTags, Image, ImageFile, ImageOps, TiffImagePlugin
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile

MAX_PIXELS = 40_000_000
MIN_SIDE = 64
READERS: dict[str, type[ImageFile.ImageFile]] = {"JPEG": JpegImageFile, "PNG": PngImageFile}
SIGNATURES = {b"\xff\xd8\xff": "JPEG", b"\x89PNG\r\n\x1a\n": "PNG"}
# What Pillow raises for files that are damaged or cut off (its SyntaxError says nothing of our own code).
_UNREADABLE = (OSError, SyntaxError, ValueError, TypeError, EOFError, LookupError, struct.error, zlib.error)


class Size(NamedTuple):
    """How large a small version may be: the longer side in pixels, and bytes (powers of ten)."""

    area: str  # where it is kept
    side: int
    bytes: int


# 512 pixels are more than a phone shows and about what a column of the reading page shows.
PREVIEW = Size("previews", 512, 15_000)
THUMBNAIL = Size("thumbnails", 112, 3_000)
_QUALITIES = (82, 74, 66, 58, 50, 42)


class Verdict(IntEnum):
    TAKEN = 0
    DAMAGED = 1
    TOO_MANY_PIXELS = 2
    TOO_SMALL = 3


class Written(NamedTuple):
    """What has become of a picture. Unless it was taken, there are no bytes."""

    verdict: Verdict
    width: int = 0
    height: int = 0
    content: bytes = b""
    preview: bytes = b""
    thumbnail: bytes = b""


# What is asked of the child
TAKE_IN = b"t"
SHRINK = {PREVIEW: b"p", THUMBNAIL: b"n"}

_FRAME = struct.Struct(">BIIIII")


def warm_up() -> None:
    """Load all that reading and writing needs: later no file can be opened."""
    for kind in READERS:
        target = io.BytesIO()
        exif = Image.Exif()
        exif[ExifTags.Base.Orientation] = 6
        Image.new("RGB", (MIN_SIDE, MIN_SIDE)).save(target, kind, exif=exif)
        rewrite(target.getvalue())
    # Looked up by name only when such a file comes.
    if TiffImagePlugin.READ_LIBTIFF:
        raise RuntimeError("TIFF pictures inside others must be read by Pillow itself")


def answer(request: bytes) -> bytes:
    """The child's one piece of work: the first byte says what."""
    what, content = request[:1], request[1:]
    if what == TAKE_IN:
        return pack(rewrite(content))
    size = next(size for size, letter in SHRINK.items() if letter == what)
    return shrink(content, size)


def pack(written: Written) -> bytes:
    bodies = (written.content, written.preview, written.thumbnail)
    return _FRAME.pack(written.verdict, written.width, written.height, *map(len, bodies)) + b"".join(bodies)


def unpack(answer: bytes) -> Written:
    """Read by the parent, which believes nothing. Raises ValueError."""
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
    return Written(Verdict(verdict), width, height, *bodies)


def kind_of(content: bytes) -> str | None:
    """JPEG or PNG by the first bytes; None for all else, whatever its name says."""
    return next((name for start, name in SIGNATURES.items() if content.startswith(start)), None)


def rewrite(content: bytes) -> Written:
    """The picture anew: 8-bit grey or RGB, upright, nothing but pixels."""
    kind = kind_of(content)
    if kind is None:
        return Written(Verdict.DAMAGED)
    try:
        # The format's own class: Image.open would make something else of a JPEG with a second picture in it (MPO).
        original = READERS[kind](io.BytesIO(content))
        if refused := _size_refused(*original.size):
            return refused
        picture = _read_picture(original)
    except _UNREADABLE:
        return Written(Verdict.DAMAGED)
    if refused := _size_refused(*picture.size):
        return refused
    picture.info = {}  # Pillow would write colour profile, comment and transparency from here
    small = _shrunk(picture, PREVIEW)
    written = _write(picture, original, kind)
    return Written(Verdict.TAKEN, *picture.size, written, small, _shrunk(_opened(small), THUMBNAIL))


def _write(picture: Image.Image, original: Image.Image, kind: str) -> bytes:
    target = io.BytesIO()
    if kind == "PNG":
        picture.save(target, "PNG", compress_level=6)
    elif picture is original:
        # The same quantisation tables: reading it again gives (nearly) the same pixels.
        original.save(target, "JPEG", quality="keep")
    else:
        picture.save(target, "JPEG", quality=95, subsampling=0)
    return target.getvalue()


def _read_picture(original: Image.Image) -> Image.Image:
    """All pixels, upright, 8-bit grey or RGB. Returns `original` itself when nothing had to change."""
    if ImageFile.LOAD_TRUNCATED_IMAGES:
        raise RuntimeError("truncated pictures must be refused")
    turned = original.getexif().get(ExifTags.Base.Orientation) in range(2, 9)
    original.load()
    original.info.pop("transparency", None)  # it would make Pillow warn, and is dropped in any case
    picture = ImageOps.exif_transpose(original) if turned else original
    if picture.mode.startswith("I"):
        return _to_eight_bits(picture)
    if picture.mode in {"L", "RGB"}:
        return picture
    return picture.convert("L" if picture.mode in {"1", "LA"} else "RGB")


def _to_eight_bits(picture: Image.Image) -> Image.Image:
    """Sixteen bits to eight, from black to the picture's own white: X-rays often fill only twelve of them."""
    wide = picture.convert("I")
    _, top = wide.getextrema()
    factor = 255.0 / max(int(top), 1)  # type: ignore[arg-type]
    return wide.point([min(int(value * factor), 255) for value in range(2**16)], "L")


def _size_refused(width: int, height: int) -> Written | None:
    if width * height > MAX_PIXELS:
        return Written(Verdict.TOO_MANY_PIXELS)
    if min(width, height) < MIN_SIDE:
        return Written(Verdict.TOO_SMALL, width, height)
    return None


# Small versions


def shrink(content: bytes, size: Size) -> bytes:
    """A stored picture as a progressive JPEG within `size`, as sharp as the bytes allow."""
    return _shrunk(_opened(content, size), size)


def _opened(content: bytes, size: Size | None = None) -> Image.Image:
    original = READERS[kind_of(content) or "JPEG"](io.BytesIO(content))
    if size is not None:
        original.draft(None, (size.side, size.side))  # a large JPEG is decoded only as finely as needed
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
            small.save(target, "JPEG", quality=quality, optimize=True, progressive=True)
            if target.tell() <= size.bytes:
                return target.getvalue()
        # Noise that nothing compresses: fewer pixels.
        small = small.resize(
            (max(1, small.width * 4 // 5), max(1, small.height * 4 // 5)), Image.Resampling.LANCZOS
        )
