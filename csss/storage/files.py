"""Where files are kept: what every store can do, a folder today and an S3-compatible one later.

Contents are bytes, or are read and written in pieces; names are texts. Whatever a store refuses is an OSError with a
`strerror` that the deployer can read. Everything that a name stands for is there as a whole, or not at all.
"""

import re
import uuid
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from csss.picture_formats import PICTURE_FORMATS

AREAS = ("scans", "originals", "heatmaps", "reports", "previews", "thumbnails")
# The first part of the names of unfinished uploads, among everything that a store holds.
ARRIVING = "uploads"
SUFFIXES = (*(each.suffix for each in PICTURE_FORMATS), "pdf")
_PLACE = rf"({'|'.join(AREAS)})/[0-9a-f]{{2}}/[0-9a-f]{{32}}"
KEY = re.compile(rf"{_PLACE}\.({'|'.join(SUFFIXES)})")
INTERRUPTED = re.compile(rf"{_PLACE}\.[0-9a-f]{{8}}\.partial")


class CannotOpen(Exception):
    """A stored file is there and does not open. The text is a sentence for the deployer; people read one of ours."""


def new_name(area: str, suffix: str) -> str:
    """A fresh random key."""
    name = uuid.uuid4().hex
    return f"{area}/{name[:2]}/{name}.{suffix}"


class Readable(Protocol):
    """Bytes that are read in pieces."""

    def read(self, size: int = -1, /) -> bytes: ...


@dataclass(frozen=True)
class StoredBytes:
    """A file as it lies in the store, encrypted or not."""

    place: str  # as the deployer finds it
    size: int  # bytes
    content: Readable


class PieceWriter(Protocol):
    """Writes pieces of one unfinished upload."""

    def write(self, offset: int, piece: bytes) -> None:
        """All of `piece`, at its place; what was there goes."""


class UploadStore(Protocol):
    """Files that arrive in pieces, as they lie in the store. A name is 32 hexadecimal digits and a suffix."""

    def create(self, name: str, beginning: bytes) -> None:
        """A file that holds `beginning`. Nothing else makes one."""

    def length(self, name: str) -> int:
        """How many bytes have arrived. Raises FileNotFoundError."""

    def read(self, name: str, size: int = -1) -> bytes:
        """What has arrived, or its first bytes. Raises FileNotFoundError."""

    def writing(self, name: str) -> AbstractContextManager[PieceWriter]:
        """For some pieces; all of them are kept at the end, and what came before an interruption. Raises
        FileNotFoundError."""

    def remove(self, name: str) -> None:
        """Remove it; nothing happens when it is not there."""

    def names(self) -> Iterator[str]:
        """Every upload that is there."""


class IncomingFiles(Protocol):
    """The files of a backup: beside what is stored, until they take its place."""

    def add(self, name: str, content: Readable) -> None:
        """Keep it durably. Raises OSError, among it FileExistsError."""

    def take_over(self, aside: str) -> str | None:
        """Put all that is stored aside under the hidden name `aside`, and these files in its place.

        Returns where the old files lie now, as the deployer finds them; None when there were none.
        """


class FileStore(Protocol):
    """Files under random names, as they are. A key says nothing about the person it belongs to."""

    @property
    def place(self) -> str:
        """Where the files are, as the deployer reads it."""

    @property
    def uploads(self) -> UploadStore:
        """The uploads under way."""

    def put(self, area: str, suffix: str, content: bytes) -> str:
        """Keep `content` durably and return its key."""

    def keep(self, key: str, content: bytes) -> None:
        """Keep `content` under a key that follows from another one (a preview); what was there goes."""

    def read(self, key: str) -> bytes:
        """The content. Raises FileNotFoundError, CannotOpen."""

    def delete(self, key: str) -> None:
        """Remove it; nothing happens when it is not there."""

    def replace(self, key: str, content: bytes) -> bool:
        """Put `content` in the place of a file that is there; False when there is none (any more)."""

    def stored(self, area: str = "") -> Iterator[str]:
        """The key of every file there is (in one area)."""

    def old_files(self, shard: str, age: timedelta) -> Iterator[str]:
        """What has been kept for longer than `age` under names that begin with these two digits: keys, and the names
        of interrupted writes."""

    def beginning(self, key: str, size: int) -> bytes:
        """The first bytes as they lie in the store. Raises FileNotFoundError."""

    # For the deployer: is there room, can it be written, backup and restore

    def prepare(self) -> None:
        """Make what is missing so that files can be kept. Raises OSError."""

    def check_writable(self) -> None:
        """Try whether files can be kept, or would be after `prepare`; makes nothing that stays. Raises OSError."""

    def free_space(self) -> int | None:
        """How many bytes are left; None where there is no bound that could be told. Raises OSError."""

    def everything(self) -> Iterator[str]:
        """The name of all that is there, in order: also of unfinished uploads, and of what is named like no file of
        ours. What is hidden (put aside) or still being written is left out."""

    def opened(self, name: str) -> AbstractContextManager[StoredBytes]:
        """One of them, as it lies in the store. Raises FileNotFoundError, OSError."""

    def incoming(self) -> AbstractContextManager[IncomingFiles]:
        """Room for the files of a backup. What has not taken over at the end is removed."""


class Storage(FileStore, Protocol):
    """A store whose files are encrypted as the settings say: what the rest of the application uses."""

    def key_id(self, key: str) -> str | None:
        """The id of the key that a file was encrypted with; None for one that is not. Raises FileNotFoundError."""

    def key_ids(self) -> Iterator[tuple[str, str | None]]:
        """Every stored file with the id of its key, by its first bytes alone."""


def storage() -> Storage:
    """The storage of this application."""
    # Here, so that the interface needs Python alone: backups are written with any (`csss.backup.archive`).
    from flask import current_app

    found: Storage = current_app.extensions["csss_storage"]
    return found
