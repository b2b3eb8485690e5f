"""Which formats of pictures are taken: the one table of them.

A new format is a row here and a module that reads and writes it (`csss.scans.picture_codec` says what that must do). The
decoder, intake, the storage's keys, media types, and the upload page with its script all follow from this table.

This module opens nothing and imports nothing of ours: everybody may know it.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class PictureFormat:
    """One row."""

    name: str  # as Pillow calls it
    suffix: str  # of files that we keep
    media_type: str
    first_bytes: bytes
    codec: str  # the module that opens and writes it; only `csss.scans.decoder` loads it
    other_suffixes: tuple[str, ...] = ()  # of files that people have


JPEG = PictureFormat(
    "JPEG", "jpg", "image/jpeg", b"\xff\xd8\xff", "csss.scans.jpeg_codec", other_suffixes=("jpeg",)
)
PNG = PictureFormat("PNG", "png", "image/png", b"\x89PNG\r\n\x1a\n", "csss.scans.png_codec")

PICTURE_FORMATS = (JPEG, PNG)


def format_of(content: bytes) -> PictureFormat | None:
    """The format by the first bytes; None for all else, whatever its name says."""
    return next((each for each in PICTURE_FORMATS if content.startswith(each.first_bytes)), None)
