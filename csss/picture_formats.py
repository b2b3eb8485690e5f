"""Define in one table which picture formats are accepted.

A new format is a row here and a module that reads and writes it (`csss.scans.picture_codec` defines its interface).
The decoder, intake, the storage's keys, media types, and the upload page with its script all use this table.

This module opens nothing and imports none of our modules, so any module may import it.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class PictureFormat:
    """One row of the table."""

    name: str  # Pillow's name
    suffix: str  # suffix of files that we store
    media_type: str
    first_bytes: bytes
    codec: str  # the module that opens and writes it; only `csss.scans.decoder` imports it
    other_suffixes: tuple[str, ...] = ()  # further suffixes of users' files


JPEG = PictureFormat(
    "JPEG", "jpg", "image/jpeg", b"\xff\xd8\xff", "csss.scans.jpeg_codec", other_suffixes=("jpeg",)
)
PNG = PictureFormat("PNG", "png", "image/png", b"\x89PNG\r\n\x1a\n", "csss.scans.png_codec")

PICTURE_FORMATS = (JPEG, PNG)


def format_of(content: bytes) -> PictureFormat | None:
    """The format according to the first bytes; None for anything else, whatever the file name says."""
    return next((each for each in PICTURE_FORMATS if content.startswith(each.first_bytes)), None)
