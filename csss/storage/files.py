"""Define the interface of a store: a folder today, an S3-compatible store later.

Contents are bytes, or are read and written in chunks; names are strings. Every failure of a store is an OSError
with a `strerror` that the deployer can understand. A name always stands for a complete file, or for none.
"""

import re
import uuid
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from csss.picture_formats import STORED_FORMATS

AREAS = ("scans", "originals", "heatmaps", "reports", "previews", "thumbnails")
# First part of the names of unfinished uploads, among everything in a store.
ARRIVING = "uploads"
SUFFIXES = (*(each.suffix for each in STORED_FORMATS), "pdf")
_PLACE = rf"({'|'.join(AREAS)})/[0-9a-f]{{2}}/[0-9a-f]{{32}}"
KEY = re.compile(rf"{_PLACE}\.({'|'.join(SUFFIXES)})")
INTERRUPTED = re.compile(rf"{_PLACE}\.[0-9a-f]{{8}}\.partial")


class CannotOpen(Exception):
    """A stored file exists but does not open. The message is for the deployer; users see one of ours."""


def new_name(area: str, suffix: str) -> str:
    """A new random key."""
    name = uuid.uuid4().hex
    return f"{area}/{name[:2]}/{name}.{suffix}"


class Readable(Protocol):
    """Bytes that can be read in chunks."""

    def read(self, size: int = -1, /) -> bytes: ...


@dataclass(frozen=True)
class StoredBytes:
    """A file as the store holds it, encrypted or not."""

    place: str  # where the deployer finds it
    size: int  # bytes
    content: Readable


class PieceWriter(Protocol):
    """Writes chunks of one unfinished upload."""

    def write(self, offset: int, piece: bytes) -> None:
        """Write all of `piece` at `offset`; overwrites what was there."""


class UploadStore(Protocol):
    """Files that arrive in chunks, as the store holds them. A name is 32 hexadecimal digits and a suffix."""

    def create(self, name: str, beginning: bytes) -> None:
        """Create a file with this content. No other function creates one."""

    def length(self, name: str) -> int:
        """The number of bytes that have arrived. Raises FileNotFoundError."""

    def read(self, name: str, size: int = -1) -> bytes:
        """What has arrived, or its first bytes. Raises FileNotFoundError."""

    def writing(self, name: str) -> AbstractContextManager[PieceWriter]:
        """A context for writing several chunks; all are durable at its end, and those before an interruption are
        kept. Raises FileNotFoundError."""

    def remove(self, name: str) -> None:
        """Delete it; nothing happens when it does not exist."""

    def names(self) -> Iterator[str]:
        """All existing uploads."""


class IncomingFiles(Protocol):
    """The files of a backup: kept beside the stored files until they replace them."""

    def add(self, name: str, content: Readable) -> None:
        """Store a file durably. Raises OSError, among it FileExistsError."""

    def take_over(self, aside: str) -> str | None:
        """Move all stored files aside under the hidden name `aside`, and put these files in their place.

        Returns where the deployer finds the old files; None when there were none.
        """


class FileStore(Protocol):
    """Files under random names, as they are. A key reveals nothing about the person it belongs to."""

    @property
    def place(self) -> str:
        """Where the files are, for the deployer."""

    @property
    def uploads(self) -> UploadStore:
        """The uploads in progress."""

    def put(self, area: str, suffix: str, content: bytes) -> str:
        """Store `content` durably and return its key."""

    def keep(self, key: str, content: bytes) -> None:
        """Store `content` under a key that is derived from another one (a preview); overwrites an existing file."""

    def read(self, key: str) -> bytes:
        """The content. Raises FileNotFoundError, CannotOpen."""

    def delete(self, key: str) -> None:
        """Delete it; nothing happens when it does not exist."""

    def replace(self, key: str, content: bytes) -> bool:
        """Replace an existing file's content; False when the file does not exist (any more)."""

    def stored(self, area: str = "") -> Iterator[str]:
        """The keys of all files (of one area)."""

    def old_files(self, shard: str, age: timedelta) -> Iterator[str]:
        """What is older than `age` under names that begin with these two digits: keys, and the names of interrupted
        writes."""

    def beginning(self, key: str, size: int) -> bytes:
        """The first bytes as the store holds them. Raises FileNotFoundError."""

    # For the deployer: free space, write checks, backup and restore.

    def prepare(self) -> None:
        """Create what is missing so that files can be stored. Raises OSError."""

    def check_writable(self) -> None:
        """Check that files can be stored, or could be after `prepare`; leaves nothing behind. Raises OSError."""

    def free_space(self) -> int | None:
        """The number of free bytes; None when no limit is known. Raises OSError."""

    def everything(self) -> Iterator[str]:
        """The names of all files, sorted, including unfinished uploads and files with foreign names. Hidden files
        (moved aside) and files that are still being written are left out."""

    def opened(self, name: str) -> AbstractContextManager[StoredBytes]:
        """Open one of them, as the store holds it. Raises FileNotFoundError, OSError."""

    def incoming(self) -> AbstractContextManager[IncomingFiles]:
        """A place for the files of a backup. Removes at the end what has not taken over."""


class Storage(FileStore, Protocol):
    """A store whose files are encrypted as the settings say; the rest of the application uses this."""

    def key_id(self, key: str) -> str | None:
        """The id of the key that encrypted a file; None for a plain file. Raises FileNotFoundError."""

    def key_ids(self) -> Iterator[tuple[str, str | None]]:
        """Every stored file with the id of its key, read from its first bytes alone."""


def storage() -> Storage:
    """The storage of this application."""
    # Imported here, so that the interface needs only Python: a backup can be read with any Python
    # (`csss.backup.archive`).
    from flask import current_app

    found: Storage = current_app.extensions["csss_storage"]
    return found
