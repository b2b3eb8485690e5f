"""What a module that opens one format of pictures must do (`csss.picture_formats` names it). Used by the decoder alone."""

from typing import NamedTuple, Protocol

from PIL import ExifTags, Image, ImageFile

MAX_PIXELS = 40_000_000  # of one picture


class Unsupported(ValueError):
    """A whole file, perhaps, of a sort that is not read here: 12 bits, lossless, arithmetic coding."""


class OpenedPicture(NamedTuple):
    """A picture of 8 bits, not yet upright, and what writing it anew has to know."""

    picture: Image.Image
    original: bytes = b""  # a PNG of sixteen bits, where levels were lost
    like: ImageFile.ImageFile | None = None  # the file that says how to compress it as it was


class PictureCodec(Protocol):
    """A module with these. What is damaged is a ValueError or what Pillow raises; nothing is skipped over."""

    SAMPLE_MODES: tuple[
        str, ...
    ]  # Pillow's modes of pictures that have everything loaded once they were read

    def sound(self, content: bytes) -> bytes:
        """The content when its structure is whole, as far as that has to be known before its size is asked. Raises
        ValueError, Unsupported."""

    def file_of(self, content: bytes) -> ImageFile.ImageFile:
        """Opened by the format's own class, no pixel read: Image.open would make something else of a JPEG with a second
        picture in it (MPO)."""

    def read(self, content: bytes, turn: int | None) -> OpenedPicture:
        """All pixels. `turn` is how the picture stands (Exif). Raises ValueError, `depth.Transparent`."""

    def write(self, picture: Image.Image, like: ImageFile.ImageFile | None) -> bytes:
        """The pixels as a file that holds nothing else."""


def exif_of(turn: int | None) -> bytes:
    """How a picture stands, and nothing else, as Exif; empty for one that stands upright."""
    if turn not in range(2, 9):
        return b""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = turn
    return exif.tobytes().removeprefix(b"Exif\0\0")
