"""Store files in a folder of this machine. Writes are atomic, and files are readable only by their owner."""

import errno
import os
import re
import shutil
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path, PurePosixPath

from csss.paths import free_space, nearest, private_folder, write_private
from csss.storage.files import (
    AREAS,
    ARRIVING,
    INTERRUPTED,
    KEY,
    IncomingFiles,
    PieceWriter,
    Readable,
    StoredBytes,
    new_name,
)

_BLOCK = 1 << 20
_UPLOAD = re.compile(r"[0-9a-f]{32}\.[a-z]+")


class FolderStorage:
    """Files in `folder`; each key is a relative path."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.place = str(folder)
        self.uploads = FolderUploads(folder / ARRIVING)

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
        return write_private(path, content, only_over=only_over)

    def read(self, key: str) -> bytes:
        return self._path(key).read_bytes()

    def beginning(self, key: str, size: int) -> bytes:
        with self._path(key).open("rb") as file:
            return file.read(size)

    def delete(self, key: str) -> None:
        path = self._folder / key if INTERRUPTED.fullmatch(key) else self._path(key)
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
                    known = KEY.fullmatch(name) or INTERRUPTED.fullmatch(name)
                    if known and entry.stat().st_mtime < latest:
                        yield name

    def stored(self, area: str = "") -> Iterator[str]:
        for each in (area,) if area else AREAS:
            for path in self._folder.glob(f"{each}/*/*"):
                key = path.relative_to(self._folder).as_posix()
                if KEY.fullmatch(key):
                    yield key

    def prepare(self) -> None:
        private_folder(self._folder)

    def check_writable(self) -> None:
        there = nearest(self._folder)
        if there == self._folder:
            probe = there / f".probe-{uuid.uuid4().hex}"
            probe.write_bytes(b"ok")
            probe.unlink()
        elif not os.access(there, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    def free_space(self) -> int:
        return free_space(self._folder)

    def everything(self) -> Iterator[str]:
        for path in sorted(self._folder.rglob("*")):
            name = path.relative_to(self._folder)
            hidden = any(part.startswith(".") for part in name.parts)
            if not hidden and path.suffix != ".partial" and path.is_file() and not path.is_symlink():
                yield name.as_posix()

    @contextmanager
    def opened(self, name: str) -> Iterator[StoredBytes]:
        path = _inside(self._folder, name)
        with path.open("rb") as file:
            yield StoredBytes(str(path), os.fstat(file.fileno()).st_size, file)

    @contextmanager
    def incoming(self) -> Iterator[IncomingFiles]:
        self.prepare()
        # In the same folder, so that the files only need to be renamed into their places.
        with tempfile.TemporaryDirectory(prefix=".restore-", dir=self._folder) as beside:
            yield _Incoming(self._folder, Path(beside))

    def _path(self, key: str) -> Path:
        if not KEY.fullmatch(key):
            raise FileNotFoundError(key)
        return self._folder / key


def _inside(folder: Path, name: str) -> Path:
    """A path inside the folder, whatever the name contains; never a hidden one. Raises FileNotFoundError."""
    parts = PurePosixPath(name).parts
    if not parts or name.startswith("/") or any(part.startswith(".") for part in parts):
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), name)
    return folder / name


class _Incoming:
    def __init__(self, folder: Path, beside: Path) -> None:
        self._folder, self._beside = folder, beside

    def add(self, name: str, content: Readable) -> None:
        path = _inside(self._beside, name)
        private_folder(path.parent)
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            shutil.copyfileobj(content, file, _BLOCK)
            file.flush()
            os.fsync(file.fileno())

    def take_over(self, aside: str) -> str | None:
        there = [path for path in self._folder.iterdir() if not path.name.startswith(".")]
        old = self._folder / aside
        if there:
            old.mkdir(mode=0o700)
            for path in there:
                path.rename(old / path.name)
        for path in self._beside.iterdir():
            path.rename(self._folder / path.name)
        return str(old) if there else None


class FolderUploads:
    """Files that are written in place: `uploads/ab/ab….part` in the storage folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def create(self, name: str, beginning: bytes) -> None:
        path = self._path(name)
        private_folder(path.parent)
        file = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            os.pwrite(file, beginning, 0)
        finally:
            os.close(file)

    def length(self, name: str) -> int:
        return self._path(name).stat().st_size

    def read(self, name: str, size: int = -1) -> bytes:
        with self._path(name).open("rb") as file:
            return file.read(size)

    @contextmanager
    def writing(self, name: str) -> Iterator[PieceWriter]:
        file = os.open(self._path(name), os.O_WRONLY)
        try:
            yield _InPlace(file)
        finally:
            os.close(file)

    def remove(self, name: str) -> None:
        with suppress(FileNotFoundError):
            self._path(name).unlink()

    def names(self) -> Iterator[str]:
        for path in self._folder.glob("*/*"):
            if _UPLOAD.fullmatch(path.name):
                yield path.name

    def _path(self, name: str) -> Path:
        if not _UPLOAD.fullmatch(name):
            raise FileNotFoundError(name)
        return self._folder / name[:2] / name


class _InPlace:
    def __init__(self, file: int) -> None:
        self._file = file

    def write(self, offset: int, piece: bytes) -> None:
        while piece:
            written = os.pwrite(self._file, piece, offset)
            offset += written
            piece = piece[written:]
