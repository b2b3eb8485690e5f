"""The files of uploads under way: `uploads/ab/abcdef….part` in the storage folder, readable only by their owner.

Where stored files are encrypted, these are, too (`….sealed`): AES-256 in counter mode, which can be written piece by
piece at any offset, with a key of each upload's own. It does not tell whether a file was changed; the digest of the whole
does, at the end. An upload whose key has gone from the settings counts as gone: the browser sends it anew.
"""

import os
import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CTR
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from flask import current_app

from csss.paths import private_folder
from csss.storage.keys import StorageKey

if TYPE_CHECKING:
    from csss.config import Settings

_BLOCK = 16  # of AES
_HEAD = 33  # the length of the key's id, and the id filled up to 32 bytes
_PLAIN, _SEALED = ".part", ".sealed"


def create(upload_id: uuid.UUID) -> None:
    """An empty file. Nothing else makes one, so that a late piece cannot bring back what has been removed."""
    keys = _settings().storage_key_ring
    path = _path(upload_id, _SEALED if keys else _PLAIN)
    private_folder(path.parent)
    file = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        if keys:
            os.pwrite(file, _head(keys[0]), 0)
    finally:
        os.close(file)


def length(upload_id: uuid.UUID) -> int:
    """How many bytes have arrived. Raises FileNotFoundError."""
    path = _found(upload_id)
    return path.stat().st_size - _head_bytes(path)


def read(upload_id: uuid.UUID) -> bytes:
    """What has arrived. Raises FileNotFoundError."""
    path = _found(upload_id)
    content = path.read_bytes()
    return _Stream(path, upload_id).over(content[_head_bytes(path) :], 0)


def remove(upload_id: uuid.UUID) -> None:
    """Remove it; nothing happens when it is not there."""
    for kind in (_PLAIN, _SEALED):
        with suppress(FileNotFoundError):
            _path(upload_id, kind).unlink()


def not_with(key_id: str) -> int:
    """How many uploads under way need another key than this one."""
    folder = _settings().storage_folder / "uploads"
    return sum(_key_id(path) != key_id for path in folder.glob(f"*/*{_SEALED}"))


class UploadWriter:
    """Writes pieces at their places. Raises FileNotFoundError at the beginning when the upload is gone."""

    def __init__(self, upload_id: uuid.UUID, offset: int) -> None:
        self._path, self.offset = _found(upload_id), offset
        self._stream, self._before = _Stream(self._path, upload_id), _head_bytes(self._path)
        self._file = -1

    def __enter__(self) -> "UploadWriter":
        self._file = os.open(self._path, os.O_WRONLY)
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._file)

    def write(self, piece: bytes) -> None:
        """All of `piece`, at the offset that has been reached."""
        piece = self._stream.over(piece, self.offset)
        while piece:
            written = os.pwrite(self._file, piece, self._before + self.offset)
            self.offset += written
            piece = piece[written:]


class _Stream:
    """What lies over the bytes of a file: nothing, or the key stream of its upload. Raises FileNotFoundError without
    the key."""

    def __init__(self, path: Path, upload_id: uuid.UUID) -> None:
        self._key: bytes | None = None
        if path.suffix == _SEALED:
            key_id = _key_id(path)
            key = next((each for each in _settings().storage_key_ring if each.id == key_id), None)
            if key is None:
                raise FileNotFoundError(path)
            # A key of its own for each upload, so that every counter may begin at nought.
            self._key = HKDF(SHA256(), 32, None, b"csss:upload:" + upload_id.bytes).derive(key.secret)

    def over(self, content: bytes, offset: int) -> bytes:
        """Encrypt or decrypt `content`, which stands at `offset`: in counter mode both are the same."""
        if self._key is None:
            return content
        counter = (offset // _BLOCK).to_bytes(_BLOCK, "big")
        stream = Cipher(AES(self._key), CTR(counter)).encryptor()
        stream.update(bytes(offset % _BLOCK))
        return stream.update(content)


def _head(key: StorageKey) -> bytes:
    return bytes([len(key.id)]) + key.id.encode().ljust(_HEAD - 1, b"\0")


def _head_bytes(path: Path) -> int:
    return _HEAD if path.suffix == _SEALED else 0


def _key_id(path: Path) -> str:
    with path.open("rb") as file:
        head = file.read(_HEAD)
    return head[1 : 1 + head[0]].decode("ascii", "replace") if len(head) == _HEAD else ""


def _found(upload_id: uuid.UUID) -> Path:
    path = next(filter(Path.exists, _ways(upload_id)), None)
    if path is None:
        raise FileNotFoundError(upload_id)
    return path


def _ways(upload_id: uuid.UUID) -> Iterator[Path]:
    """As it was begun: encryption may have been switched on since."""
    return (_path(upload_id, kind) for kind in (_SEALED, _PLAIN))


def _path(upload_id: uuid.UUID, kind: str) -> Path:
    name = upload_id.hex
    return _settings().storage_folder / "uploads" / name[:2] / f"{name}{kind}"


def _settings() -> "Settings":
    found: Settings = current_app.config["CSSS"]
    return found
