"""Define in one table which picture formats are accepted.

A new format is a row here and a module that reads and writes it (`csss.scans.picture_codec` defines its interface).
The decoder, intake, the storage's keys, media types, and the upload page with its script all use this table. What is no
picture for us, and what its sender can do instead, is in `csss.scans.other_files`.

This module opens nothing and imports none of our modules, so any module may import it.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class PictureFormat:
    """One row of the table."""

    name: str  # Pillow's name
    suffix: str  # suffix of files that we store, or that users have
    media_type: str
    first_bytes: bytes
    codec: str  # the module that opens and writes it; only `csss.scans.decoder` imports it
    other_suffixes: tuple[str, ...] = ()  # further suffixes of users' files
    at: int = 0  # where `first_bytes` stand
    brands: tuple[bytes, ...] = ()  # what may follow `first_bytes`; empty: anything
    stored_as: PictureFormat | None = None  # the format that it is converted to; None: its own

    def begins(self, content: bytes) -> bool:
        """Whether these are the first bytes of such a file."""
        end = self.at + len(self.first_bytes)
        follows = not self.brands or content[end : end + len(self.brands[0])] in self.brands
        return content[self.at : end] == self.first_bytes and follows

    @property
    def kept(self) -> PictureFormat:
        """The format in which we store it."""
        return self.stored_as or self


JPEG = PictureFormat(
    "JPEG", "jpg", "image/jpeg", b"\xff\xd8\xff", "csss.scans.jpeg_codec", other_suffixes=("jpeg",)
)
PNG = PictureFormat("PNG", "png", "image/png", b"\x89PNG\r\n\x1a\n", "csss.scans.png_codec")
# What telephones take. Few browsers show it, so it is converted.
HEIC = PictureFormat(
    "HEIF",
    "heic",
    "image/heic",
    b"ftyp",
    "csss.scans.heic_codec",
    other_suffixes=("heif",),
    at=4,
    brands=(b"heic", b"heix", b"heim", b"heis", b"mif1"),
    stored_as=JPEG,
)

PICTURE_FORMATS = (JPEG, PNG, HEIC)
STORED_FORMATS = tuple(each for each in PICTURE_FORMATS if each.stored_as is None)


def format_of(content: bytes) -> PictureFormat | None:
    """The format according to the first bytes; None for anything else, whatever the file name says."""
    return next((each for each in PICTURE_FORMATS if each.begins(content)), None)


def accepted_types() -> str:
    """For a file field: media types, and the suffixes of those that many systems have no media type for."""
    types = [each.media_type for each in PICTURE_FORMATS]
    endings = ((each.suffix, *each.other_suffixes) for each in PICTURE_FORMATS if each not in STORED_FORMATS)
    return ",".join([*types, *(f".{suffix}" for suffixes in endings for suffix in suffixes)])
