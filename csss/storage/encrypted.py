"""Encrypt stored files at rest: a storage that wraps a store (AES-256-GCM).

An encrypted file begins with a small header: a mark, the version, and the id of its key; then the nonce, then the
ciphertext with its tag. Header and storage key are authenticated with the content, so a file that was changed, or
moved to another file's place, does not open.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, suppress
from datetime import timedelta

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from csss.storage.files import (
    CannotOpen,
    FileStore,
    IncomingFiles,
    Storage,
    StoredBytes,
    UploadStore,
    new_name,
)
from csss.storage.keys import StorageKey

# No JPEG, PNG or PDF begins like this. The last byte is the format version.
_MARK = b"\x00CSSS-sealed\x00\x01"
_NONCE_BYTES = 12
_LONGEST_HEADER = len(_MARK) + 1 + 255


def key_id_of(content: bytes) -> str | None:
    """The id of the key that encrypted a stored file; None for a plain file."""
    header = _header_of(content)
    return header[len(_MARK) + 1 :].decode("ascii", "replace") if header is not None else None


def _header_of(content: bytes) -> bytes | None:
    if not content.startswith(_MARK) or len(content) <= len(_MARK):
        return None
    return content[: len(_MARK) + 1 + content[len(_MARK)]]


class _Around:
    """Operations that encryption does not change: delegate to the store. `unfinished_uploads` encrypts uploads."""

    def __init__(self, inner: FileStore) -> None:
        self._inner = inner

    @property
    def place(self) -> str:
        return self._inner.place

    @property
    def uploads(self) -> UploadStore:
        return self._inner.uploads

    def delete(self, key: str) -> None:
        self._inner.delete(key)

    def stored(self, area: str = "") -> Iterator[str]:
        return self._inner.stored(area)

    def old_files(self, shard: str, age: timedelta) -> Iterator[str]:
        return self._inner.old_files(shard, age)

    def beginning(self, key: str, size: int) -> bytes:
        return self._inner.beginning(key, size)

    def key_id(self, key: str) -> str | None:
        return key_id_of(self._inner.beginning(key, _LONGEST_HEADER))

    def key_ids(self) -> Iterator[tuple[str, str | None]]:
        for key in self._inner.stored():
            with suppress(FileNotFoundError):
                yield key, self.key_id(key)

    def prepare(self) -> None:
        self._inner.prepare()

    def check_writable(self) -> None:
        self._inner.check_writable()

    def free_space(self) -> int | None:
        return self._inner.free_space()

    def everything(self) -> Iterator[str]:
        return self._inner.everything()

    def opened(self, name: str) -> AbstractContextManager[StoredBytes]:
        return self._inner.opened(name)

    def incoming(self) -> AbstractContextManager[IncomingFiles]:
        return self._inner.incoming()


class Sealer:
    """Encrypts with the first key and opens what any of them has encrypted. A name is authenticated with its contents.

    `plain`: whether contents from before encryption are given back as they are.
    """

    def __init__(self, keys: Sequence[StorageKey], *, plain: bool = True) -> None:
        if not keys:
            raise ValueError("sealing needs a key")
        self.plain = plain
        self.writes = keys[0].id
        self._ciphers = {key.id: AESGCM(key.secret) for key in keys}

    def seal(self, name: str, content: bytes) -> bytes:
        key_id = self.writes.encode()
        header = _MARK + bytes([len(key_id)]) + key_id
        nonce = os.urandom(_NONCE_BYTES)
        return header + nonce + self._ciphers[self.writes].encrypt(nonce, content, header + name.encode())

    def open(self, name: str, stored: bytes) -> bytes:
        """Raises CannotOpen."""
        header, key_id = _header_of(stored), key_id_of(stored)
        if header is None or key_id is None:
            if self.plain:
                return stored
            raise CannotOpen(
                f"The stored file {name} is not encrypted, and CSSS_STORAGE_PLAIN=0 refuses such files. "
                "Run `csss storage rotate` if it is one of yours."
            )
        cipher = self._ciphers.get(key_id)
        if cipher is None:
            raise CannotOpen(
                f"The stored file {name} was encrypted with the key {key_id!r}, which CSSS_STORAGE_KEYS does not name. "
                "Add that key at the end of the setting."
            )
        sealed = memoryview(stored)[len(header) :]  # no copy: a scan may have megabytes
        try:
            return cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], header + name.encode())
        except (InvalidTag, ValueError):
            raise CannotOpen(
                f"The stored file {name} does not open with the key {key_id!r}: the file was changed or damaged, or "
                "CSSS_STORAGE_KEYS holds another key under this id."
            ) from None


class EncryptedStorage(_Around):
    """Encrypts with the first key and decrypts with any of them.

    `plain`: whether unencrypted files from before encryption can be read.
    """

    def __init__(self, inner: FileStore, keys: Sequence[StorageKey], *, plain: bool = True) -> None:
        super().__init__(inner)
        self._sealer = Sealer(keys, plain=plain)

    def put(self, area: str, suffix: str, content: bytes) -> str:
        key = new_name(area, suffix)
        self.keep(key, content)
        return key

    def keep(self, key: str, content: bytes) -> None:
        self._inner.keep(key, self._sealer.seal(key, content))

    def read(self, key: str) -> bytes:
        return self._sealer.open(key, self._inner.read(key))

    def rotate(self, key: str) -> bool:
        """Encrypt one file with the first key; False when it already is, or no longer exists. Raises CannotOpen,
        also for a file that names the first key and does not open with it.

        The old file stays until the new one is complete. A concurrent reader gets one or the other.
        """
        try:
            stored = self._inner.read(key)
        except FileNotFoundError:
            return False
        if key_id_of(stored) == self._sealer.writes:
            self._sealer.open(key, stored)
            return False
        # Plain files are accepted whatever `plain` says: encrypting them is the purpose.
        content = stored if key_id_of(stored) is None else self._sealer.open(key, stored)
        return self._inner.replace(key, self._sealer.seal(key, content))

    def replace(self, key: str, content: bytes) -> bool:
        return self._inner.replace(key, self._sealer.seal(key, content))


class LockedStorage(_Around):
    """A storage without keys: reads and writes plain files, and names the needed key for an encrypted one."""

    def put(self, area: str, suffix: str, content: bytes) -> str:
        return self._inner.put(area, suffix, content)

    def keep(self, key: str, content: bytes) -> None:
        self._inner.keep(key, content)

    def read(self, key: str) -> bytes:
        content = self._inner.read(key)
        if (key_id := key_id_of(content)) is not None:
            raise CannotOpen(
                f"The stored file {key} was encrypted with the key {key_id!r}, and CSSS_STORAGE_KEYS is empty."
            )
        return content

    def replace(self, key: str, content: bytes) -> bool:
        return self._inner.replace(key, content)


def storage_with(inner: FileStore, keys: Sequence[StorageKey], *, plain: bool) -> Storage:
    """The storage with these keys: encrypted, or without keys locked."""
    return EncryptedStorage(inner, keys, plain=plain) if keys else LockedStorage(inner)
