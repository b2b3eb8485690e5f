"""Taking in a picture: checked by its content, decoded, turned upright, stripped, written anew.

What is stored is never the file that was sent but one that we wrote from its pixels, so nothing can hide in it.
DICOM will be a further function beside `_read_picture`, chosen by the first bytes.
"""

import hashlib
import io
import math
import struct
import zlib
from dataclasses import dataclass

import numpy as np
from PIL import ExifTags, Image, ImageFile, ImageOps
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile

from csss.errors import Invalid
from csss.i18n import _

MAX_PIXELS = 40_000_000
MIN_SIDE = 64
_READERS: dict[str, type[ImageFile.ImageFile]] = {"JPEG": JpegImageFile, "PNG": PngImageFile}
# What Pillow raises for files that are damaged or cut off (its SyntaxError says nothing of our own code).
_UNREADABLE = (OSError, SyntaxError, ValueError, TypeError, EOFError, LookupError, struct.error, zlib.error)
_SIGNATURES = {b"\xff\xd8\xff": "JPEG", b"\x89PNG\r\n\x1a\n": "PNG"}


@dataclass(frozen=True)
class Intake:
    """An accepted picture. `content` is 8-bit grey or RGB, JPEG or PNG."""

    content: bytes
    media_type: str
    suffix: str
    width: int
    height: int
    sha256: str


def take_in(content: bytes, *, limit: int) -> Intake:
    """Check and rewrite an uploaded picture of at most `limit` bytes.

    Raises Invalid with a sentence for the field `file`.
    """
    if not content:
        raise Invalid(file=_("The file is empty. Choose the picture again."))
    check_length(len(content), limit=limit)
    kind = next((name for start, name in _SIGNATURES.items() if content.startswith(start)), None)
    if kind is None:
        raise Invalid(file=_("This is not a JPEG or PNG picture, whatever its name says."))
    written, picture = _rewrite(content, kind)
    return Intake(
        content=written,
        media_type=f"image/{kind.lower()}",
        suffix="jpg" if kind == "JPEG" else "png",
        width=picture.width,
        height=picture.height,
        sha256=hashlib.sha256(written).hexdigest(),
    )


def check_length(length: int, *, limit: int) -> None:
    """Refuse a file of more than `limit` bytes, before it is read. Raises Invalid for the field `file`."""
    if length > limit:
        # Rounded up, so that a file a little above the limit is not said to be exactly as large.
        megabytes = math.ceil(length / 1e5) / 10
        raise Invalid(
            file=_(
                "The file has %(size)s MB; at most %(most)s MB can be taken.",
                size=f"{megabytes:.1f}",
                most=f"{limit / 1e6:.0f}",
            )
        )


def _rewrite(content: bytes, kind: str) -> tuple[bytes, Image.Image]:
    try:
        # The format's own class: Image.open would make something else of a JPEG with a second picture in it (MPO).
        original = _READERS[kind](io.BytesIO(content))
        _check_size(*original.size)
        picture = _read_picture(original)
    except _UNREADABLE:
        raise Invalid(
            file=_("The picture cannot be read to its end. It may be damaged or cut off; save it again.")
        ) from None
    _check_size(*picture.size)
    picture.info = {}  # Pillow would write colour profile, comment and transparency from here
    target = io.BytesIO()
    if kind == "PNG":
        picture.save(target, "PNG", compress_level=6)
    elif picture is original:
        # The same quantisation tables: reading it again gives (nearly) the same pixels.
        original.save(target, "JPEG", quality="keep")
    else:
        picture.save(target, "JPEG", quality=95, subsampling=0)
    return target.getvalue(), picture


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
    values = np.asarray(picture).astype(np.uint16, copy=False)
    top = max(int(values.max()), 1)
    table = np.minimum(np.arange(2**16) * (255.0 / top), 255).astype(np.uint8)  # spares an array of floats
    return Image.fromarray(table[values])


def _check_size(width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise Invalid(file=_too_large())
    if min(width, height) < MIN_SIDE:
        raise Invalid(
            file=_(
                "The picture has %(width)s × %(height)s pixels; a scan needs at least %(least)s on each side.",
                width=width,
                height=height,
                least=MIN_SIDE,
            )
        )


def _too_large() -> str:
    return _(
        "The picture has too many pixels; at most %(most)s million can be taken.",
        most=MAX_PIXELS // 1_000_000,
    )
