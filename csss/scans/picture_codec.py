"""Define what a module for one picture format must provide. `csss.picture_formats` names these modules; only the
decoder uses them."""

from typing import NamedTuple, Protocol

from PIL import ExifTags, Image, ImageFile

MAX_PIXELS = 40_000_000  # limit for one picture


class Unsupported(ValueError):
    """The file may be complete, but its variant is not supported: 12 bits, lossless or arithmetic coding."""


class OpenedPicture(NamedTuple):
    """An 8-bit picture, not yet upright, and what is needed to write it again."""

    picture: Image.Image
    original: bytes = b""  # a 16-bit PNG, where grey levels were lost
    like: ImageFile.ImageFile | None = None  # the source file, whose compression settings are reused


class PictureCodec(Protocol):
    """The functions of a codec module. Damage raises ValueError or Pillow's own errors; nothing is skipped."""

    SAMPLE_MODES: tuple[str, ...]  # Pillow modes in which a picture is fully loaded after reading
    SAMPLES: tuple[bytes, ...]  # whole files instead, of a format that Pillow cannot write

    def sound(self, content: bytes) -> bytes:
        """Return the content when its structure is complete, as far as this must be known before the size. Raises
        ValueError, Unsupported."""

    def file_of(self, content: bytes) -> ImageFile.ImageFile:
        """Open with the format's own class, without reading pixels. Image.open would treat a JPEG that contains a
        second picture as MPO."""

    def read(self, content: bytes, turn: int | None) -> OpenedPicture:
        """Read all pixels. `turn` is the Exif orientation. Raises ValueError, `depth.Transparent`."""

    def write(self, picture: Image.Image, like: ImageFile.ImageFile | None) -> bytes:
        """Encode the pixels as a file that contains nothing else."""


def exif_of(turn: int | None) -> bytes:
    """Encode only the orientation as Exif; empty for an upright picture."""
    if turn not in range(2, 9):
        return b""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = turn
    return exif.tobytes().removeprefix(b"Exif\0\0")
