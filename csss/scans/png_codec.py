"""Read and write PNG; convert 16-bit values and transparency to a form that can be shown."""

import io

from PIL import Image, ImageFile
from PIL.PngImagePlugin import PngImageFile

from csss.scans import depth, png_structure
from csss.scans.picture_codec import OpenedPicture, exif_of

SAMPLE_MODES = ("RGBA", "I;16")
SAMPLES = ()


def sound(content: bytes) -> bytes:
    return content  # `read` checks it, because it unpacks the data; the size must be known before that


def file_of(content: bytes) -> PngImageFile:
    return PngImageFile(io.BytesIO(content))


def read(content: bytes, turn: int | None) -> OpenedPicture:
    """Read all pixels of a complete PNG. Raises ValueError, `depth.Transparent`."""
    whole = png_structure.checked(content)
    head = png_structure.head_of(whole)
    if head.bits == 16:
        bare = png_structure.bare(whole)
        picture, lost = depth.sixteen_bits(bare, grey=head.grey)
        return OpenedPicture(picture, png_structure.bare(whole, turned=exif_of(turn)) if lost else b"")
    if ImageFile.LOAD_TRUNCATED_IMAGES:
        raise RuntimeError("truncated pictures must be refused")
    file = file_of(whole)
    file.load()
    return OpenedPicture(_shown(file))


def _shown(picture: Image.Image) -> Image.Image:
    """Convert to grey or RGB without transparency. Raises `depth.Transparent`."""
    if "transparency" in picture.info and picture.mode in {"1", "L", "RGB", "P"}:
        grey = picture.mode in {"1", "L"}
        picture = picture.convert("RGBA")
        picture = picture.convert("LA") if grey else picture
    if picture.mode in {"LA", "RGBA"}:
        return depth.opaque(picture)
    if picture.mode in {"L", "RGB"}:
        return picture
    return picture.convert("L" if picture.mode == "1" else "RGB")


def write(picture: Image.Image, like: ImageFile.ImageFile | None) -> bytes:
    target = io.BytesIO()
    picture.save(target, "PNG", compress_level=6)
    return target.getvalue()
