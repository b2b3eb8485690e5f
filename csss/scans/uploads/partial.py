"""The files of uploads under way: `uploads/ab/abcdef….part` in the storage folder, readable only by their owner."""

import os
import uuid
from contextlib import suppress
from pathlib import Path

from flask import current_app


def create(upload_id: uuid.UUID) -> None:
    """An empty file. Nothing else makes one, so that a late piece cannot bring back what has been removed."""
    path = _path(upload_id)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600))


def length(upload_id: uuid.UUID) -> int:
    """How many bytes have arrived. Raises FileNotFoundError."""
    return _path(upload_id).stat().st_size


def read(upload_id: uuid.UUID) -> bytes:
    """What has arrived. Raises FileNotFoundError."""
    return _path(upload_id).read_bytes()


def remove(upload_id: uuid.UUID) -> None:
    """Remove it; nothing happens when it is not there."""
    with suppress(FileNotFoundError):
        _path(upload_id).unlink()


class Writer:
    """Writes pieces at their places. Raises FileNotFoundError at the beginning when the upload is gone."""

    def __init__(self, upload_id: uuid.UUID, offset: int) -> None:
        self._path, self.offset = _path(upload_id), offset
        self._file = -1

    def __enter__(self) -> "Writer":
        self._file = os.open(self._path, os.O_WRONLY)
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._file)

    def write(self, piece: bytes) -> None:
        """All of `piece`, at the offset that has been reached."""
        while piece:
            written = os.pwrite(self._file, piece, self.offset)
            self.offset += written
            piece = piece[written:]


def _path(upload_id: uuid.UUID) -> Path:
    name = upload_id.hex
    folder: Path = current_app.config["CSSS"].storage_folder
    return folder / "uploads" / name[:2] / f"{name}.part"
