"""Where files are kept: one small interface; a folder now, an S3-compatible store later."""

import os
import re
import time
import uuid
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Protocol

from flask import current_app

from csss.paths import private_folder

AREAS = ("scans", "originals", "heatmaps", "reports", "previews", "thumbnails")
_PLACE = rf"({'|'.join(AREAS)})/[0-9a-f]{{2}}/[0-9a-f]{{32}}"
_KEY = re.compile(rf"{_PLACE}\.(jpg|png|pdf)")
_BROKEN_OFF = re.compile(rf"{_PLACE}\.[0-9a-f]{{8}}\.partial")


class CannotOpen(Exception):
    """A stored file is there and does not open. The text is a sentence for the deployer; people read one of ours."""


def new_name(area: str, suffix: str) -> str:
    """A fresh random key."""
    name = uuid.uuid4().hex
    return f"{area}/{name[:2]}/{name}.{suffix}"


class Storage(Protocol):
    """Files under random names. A key says nothing about the person it belongs to."""

    def put(self, area: str, suffix: str, content: bytes) -> str:
        """Keep `content` durably and return its key."""

    def keep(self, key: str, content: bytes) -> None:
        """Keep `content` under a key that follows from another one (a preview); what was there goes."""

    def read(self, key: str) -> bytes:
        """The content. Raises FileNotFoundError, CannotOpen."""

    def delete(self, key: str) -> None:
        """Remove it; nothing happens when it is not there."""

    def stored(self, area: str = "") -> Iterator[str]:
        """The key of every file there is (in one area)."""

    def replace(self, key: str, content: bytes) -> bool:
        """Put `content` in the place of a file that is there; False when there is none (any more)."""

    def old_files(self, shard: str, age: timedelta) -> Iterator[str]:
        """What has been kept for longer than `age` under names that begin with these two digits: keys, and the names
        of writes that broke off."""


class FolderStorage:
    """Files in a folder of this machine; every write is whole or not there at all."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, area: str, suffix: str, content: bytes) -> str:
        key = new_name(area, suffix)
        self.keep(key, content)
        return key

    def keep(self, key: str, content: bytes) -> None:
        self._write(self._path(key), content)

    def replace(self, key: str, content: bytes) -> bool:
        path = self._path(key)
        return path.exists() and self._write(path, content, only_over=True)

    def _write(self, path: Path, content: bytes, *, only_over: bool = False) -> bool:
        private_folder(path.parent)
        # A name of its own: two people may look at the same scan for the first time at once.
        partial = path.with_suffix(f".{uuid.uuid4().hex[:8]}.partial")
        try:
            with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            if only_over and not path.exists():  # deleted meanwhile: it must not come back
                partial.unlink(missing_ok=True)
                return False
            partial.replace(path)
        except OSError:
            partial.unlink(missing_ok=True)
            raise
        return True

    def read(self, key: str) -> bytes:
        return self._path(key).read_bytes()

    def beginning(self, key: str, size: int) -> bytes:
        """The first bytes. Raises FileNotFoundError."""
        with self._path(key).open("rb") as file:
            return file.read(size)

    def delete(self, key: str) -> None:
        path = self._folder / key if _BROKEN_OFF.fullmatch(key) else self._path(key)
        path.unlink(missing_ok=True)

    def old_files(self, shard: str, age: timedelta) -> Iterator[str]:
        latest = time.time() - age.total_seconds()
        for area in AREAS:
            folder = self._folder / area / shard
            if not folder.is_dir():
                continue
            with os.scandir(folder) as entries:
                for entry in entries:
                    name = f"{area}/{shard}/{entry.name}"
                    known = _KEY.fullmatch(name) or _BROKEN_OFF.fullmatch(name)
                    if known and entry.stat().st_mtime < latest:
                        yield name

    def stored(self, area: str = "") -> Iterator[str]:
        for each in (area,) if area else AREAS:
            for path in self._folder.glob(f"{each}/*/*"):
                key = path.relative_to(self._folder).as_posix()
                if _KEY.fullmatch(key):
                    yield key

    def _path(self, key: str) -> Path:
        if not _KEY.fullmatch(key):
            raise FileNotFoundError(key)
        return self._folder / key


def storage() -> Storage:
    """The storage of this application."""
    found: Storage = current_app.extensions["csss_storage"]
    return found
