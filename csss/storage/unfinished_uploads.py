"""Store the files of uploads in progress, `….part` in the storage, readable only by their owner.

Where stored files are encrypted, these are too (`….sealed`): AES-256 in counter mode, which can write chunks at any
offset, with a separate key for each upload. This mode does not detect changes; the digest of the whole file does,
at the end. If the key of an upload is removed from the settings, the upload counts as gone, and the browser sends
it again.
"""

import uuid
from contextlib import ExitStack, suppress

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CTR
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from flask import current_app

from csss.storage.files import storage
from csss.storage.keys import StorageKey

_BLOCK = 16  # AES block size in bytes
_HEAD = 33  # the length of the key's id, and the id padded to 32 bytes
_PLAIN, _SEALED = ".part", ".sealed"


def create(upload_id: uuid.UUID) -> None:
    """Create an empty file. Only this creates one, so that a late chunk cannot bring back a removed upload."""
    keys = _keys()
    storage().uploads.create(_name(upload_id, _SEALED if keys else _PLAIN), _head(keys[0]) if keys else b"")


def length(upload_id: uuid.UUID) -> int:
    """The number of bytes that have arrived. Raises FileNotFoundError."""
    name = _found(upload_id)
    return storage().uploads.length(name) - _head_bytes(name)


def read(upload_id: uuid.UUID) -> bytes:
    """What has arrived. Raises FileNotFoundError."""
    name = _found(upload_id)
    content = storage().uploads.read(name)
    return _Stream(name, upload_id).over(content[_head_bytes(name) :], 0)


def remove(upload_id: uuid.UUID) -> None:
    """Delete it; nothing happens when it does not exist."""
    for kind in (_PLAIN, _SEALED):
        storage().uploads.remove(_name(upload_id, kind))


def not_with(key_id: str) -> int:
    """The number of uploads in progress that need another key than this one."""
    return sum(_key_id(name) != key_id for name in storage().uploads.names() if name.endswith(_SEALED))


class UploadWriter:
    """Writes chunks at their offsets. Raises FileNotFoundError at the start when the upload is gone."""

    def __init__(self, upload_id: uuid.UUID, offset: int) -> None:
        self._name, self.offset = _found(upload_id), offset
        self._stream, self._before = _Stream(self._name, upload_id), _head_bytes(self._name)
        self._open = ExitStack()

    def __enter__(self) -> "UploadWriter":
        self._pieces = self._open.enter_context(storage().uploads.writing(self._name))
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def write(self, piece: bytes) -> None:
        """Write all of `piece` at the current offset."""
        self._pieces.write(self._before + self.offset, self._stream.over(piece, self.offset))
        self.offset += len(piece)


class _Stream:
    """The cipher over a file's bytes: none, or the key stream of its upload. Raises FileNotFoundError without the
    key."""

    def __init__(self, name: str, upload_id: uuid.UUID) -> None:
        self._key: bytes | None = None
        if name.endswith(_SEALED):
            key_id = _key_id(name)
            key = next((each for each in _keys() if each.id == key_id), None)
            if key is None:
                raise FileNotFoundError(name)
            # Each upload has its own key, so every counter may start at zero.
            self._key = HKDF(SHA256(), 32, None, b"csss:upload:" + upload_id.bytes).derive(key.secret)

    def over(self, content: bytes, offset: int) -> bytes:
        """Encrypt or decrypt `content` at `offset`: in counter mode both are the same operation."""
        if self._key is None:
            return content
        counter = (offset // _BLOCK).to_bytes(_BLOCK, "big")
        stream = Cipher(AES(self._key), CTR(counter)).encryptor()
        stream.update(bytes(offset % _BLOCK))
        return stream.update(content)


def _head(key: StorageKey) -> bytes:
    return bytes([len(key.id)]) + key.id.encode().ljust(_HEAD - 1, b"\0")


def _head_bytes(name: str) -> int:
    return _HEAD if name.endswith(_SEALED) else 0


def _key_id(name: str) -> str:
    head = storage().uploads.read(name, _HEAD)
    return head[1 : 1 + head[0]].decode("ascii", "replace") if len(head) == _HEAD else ""


def _found(upload_id: uuid.UUID) -> str:
    """The name under which it was started: encryption may have been switched on since."""
    for kind in (_SEALED, _PLAIN):
        with suppress(FileNotFoundError):
            name = _name(upload_id, kind)
            storage().uploads.length(name)
            return name
    raise FileNotFoundError(upload_id)


def _name(upload_id: uuid.UUID, kind: str) -> str:
    return upload_id.hex + kind


def _keys() -> tuple[StorageKey, ...]:
    found: tuple[StorageKey, ...] = current_app.config["CSSS"].storage_key_ring
    return found
