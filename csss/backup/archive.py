"""Read and write the backup format: a folder, or a compressed tar file with the same contents, also as a stream.

`rows/<table>.jsonl`, `files/<key>`, `instance/<name>`, and as the last file `manifest.json`, which lists each of
them with its size and SHA-256. A truncated backup has no manifest and is invalid.
"""

import gzip
import hashlib
import io
import json
import lzma
import os
import re
import shutil
import sys
import tarfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import IO, Any, Protocol

from csss.paths import private_folder
from csss.storage.files import IncomingFiles, Readable, StoredBytes

MANIFEST = "manifest.json"
FORMAT = 1
STREAM = "-"
FILES = "files/"  # prefix of the names of stored files
_ARCHIVES = (".tar", ".tar.gz", ".tgz")
# Looks like a file extension: `x.zip` is not meant to be a folder, `csss-2026.11.30` is.
_OTHER_ENDING = re.compile(r"\.(?=\w*[A-Za-z])\w{1,8}$")
_BLOCK = 1 << 20


class BackupError(Exception):
    """A backup cannot be made or restored; the message is a sentence for the person at the command line."""


class Target(Protocol):
    """The destination of a backup."""

    def add(self, name: str, content: Readable, size: int) -> None: ...


class _Folder:
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def add(self, name: str, content: Readable, size: int) -> None:
        path = self._folder / name
        private_folder(path.parent)
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            shutil.copyfileobj(content, file, _BLOCK)
            file.flush()
            os.fsync(file.fileno())


class _Tar:
    def __init__(self, tar: tarfile.TarFile) -> None:
        self._tar = tar

    def add(self, name: str, content: Readable, size: int) -> None:
        info = tarfile.TarInfo(name)
        info.size, info.mode = size, 0o600
        self._tar.addfile(info, content)


class ArchiveWriter:
    """Adds files to a backup and records their manifest entries."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self.files: dict[str, dict[str, Any]] = {}

    def add(self, name: str, path: Path) -> None:
        """Add a file of this machine. Raises OSError."""
        with path.open("rb") as file:
            self.add_stored(name, StoredBytes(str(path), os.fstat(file.fileno()).st_size, file))

    def add_stored(self, name: str, stored: StoredBytes) -> None:
        """Add a file as the storage holds it. Raises BackupError when it cannot be read completely."""
        hashing = _HashedForBackup(stored)
        self._target.add(name, hashing, stored.size)
        self.files[name] = hashing.known()

    def finish(self, manifest: dict[str, Any]) -> None:
        content = json.dumps({**manifest, "files": self.files}, indent=1, sort_keys=True).encode()
        self._target.add(MANIFEST, io.BytesIO(content), len(content))


class _Hashing:
    """A file that is hashed while it is read."""

    def __init__(self, stored: StoredBytes) -> None:
        self._stored, self._digest = stored, hashlib.sha256()

    def read(self, size: int = -1, /) -> bytes:
        piece = self._stored.content.read(size)
        self._digest.update(piece)
        return piece

    def known(self) -> dict[str, Any]:
        """Its manifest entry, once it has been read."""
        return {"size": self._stored.size, "sha256": self._digest.hexdigest()}


class _HashedForBackup(_Hashing):
    """Distinguishes an unreadable file from a target that cannot be written."""

    def read(self, size: int = -1, /) -> bytes:
        try:
            return super().read(size)
        except OSError as error:
            raise BackupError(f"{self._stored.place} cannot be read: {error.strerror}.") from error


def check_target(target: str) -> None:
    """Raise BackupError, before anything is created, when a backup cannot have this name."""
    if target == STREAM:
        if sys.stdout.isatty():
            raise BackupError("Standard output is a terminal. Send the backup on: csss backup - > FILE")
        return
    path = Path(target).absolute()
    if path.exists() or path.is_symlink():
        if path.is_dir() and not any(path.iterdir()) and not _is_archive(target):
            return  # an empty folder is filled
        raise BackupError(f"{path} already exists; nothing is overwritten.")
    if not path.parent.is_dir():
        what = "is no folder" if path.parent.exists() else "does not exist"
        raise BackupError(f"{path.parent} {what}: make the folder for backups first, or mount its disk.")
    # A name with a slash at the end is explicitly a folder.
    if not _is_archive(target) and not target.endswith("/") and _OTHER_ENDING.search(path.name):
        raise BackupError(
            f"What {path.name} should be is not clear. A name that ends with .tar.gz, .tgz or .tar becomes a file, "
            "one without an ending (or with a / at its end) a folder, and - is standard output."
        )


def _is_archive(target: str) -> bool:
    return target.lower().endswith(_ARCHIVES)


@contextmanager
def writing(target: str) -> Iterator[ArchiveWriter]:
    """Write a backup under this name, readable only by its owner; it gets the name only once it is complete.

    `-` is standard output; a name with a tar extension is a tar file; anything else is a folder. See
    `check_target`.
    """
    if target == STREAM:
        # Not through sys.stdout, which would try to flush again at exit what the closed pipe does not accept.
        with open(sys.stdout.fileno(), "wb", closefd=False) as stream, _compressed(stream) as tar:
            yield ArchiveWriter(_Tar(tar))
        return
    path = Path(target).absolute()
    partial = path.with_name(f".{path.name}.partial-{os.getpid()}")
    try:
        if _is_archive(target):
            with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                with _plain(file) if target.lower().endswith(".tar") else _compressed(file) as tar:
                    yield ArchiveWriter(_Tar(tar))
                os.fsync(file.fileno())
        else:
            partial.mkdir(mode=0o700)
            yield ArchiveWriter(_Folder(partial))
        with suppress(FileNotFoundError):
            path.rmdir()  # an empty folder that already existed
        partial.replace(path)
    except BaseException:
        _remove(partial)
        raise


@contextmanager
def _plain(file: IO[bytes]) -> Iterator[tarfile.TarFile]:
    with tarfile.open(fileobj=file, mode="w|") as tar:
        yield tar
    file.flush()


class _Gzip:
    """Compresses what is written. After an error it omits gzip's trailer, so that any program detects the
    truncation.

    tarfile's own "w|gz" accepts no level before Python 3.12, and GzipFile always writes a trailer.
    """

    def __init__(self, file: IO[bytes]) -> None:
        # The pictures are already compressed; the fastest level halves the rows and costs next to nothing.
        self._file, self._packing = file, zlib.compressobj(1, zlib.DEFLATED, 16 + zlib.MAX_WBITS)

    def write(self, piece: bytes) -> int:
        self._file.write(self._packing.compress(piece))
        return len(piece)

    def end(self) -> None:
        self._file.write(self._packing.flush())
        self._file.flush()


@contextmanager
def _compressed(file: IO[bytes]) -> Iterator[tarfile.TarFile]:
    packed = _Gzip(file)
    with tarfile.open(fileobj=packed, mode="w|") as tar:  # type: ignore[call-overload]
        yield tar
    packed.end()


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


class IntoStorage:
    """Passes the stored files of a backup to the storage, which keeps them beside its own until they take over."""

    def __init__(self, incoming: IncomingFiles) -> None:
        self._incoming = incoming
        self.files: dict[str, dict[str, Any]] = {}  # manifest entries

    def add(self, name: str, stored: StoredBytes) -> None:
        """Store one file; `name` is its name in the backup. Raises OSError."""
        hashing = _Hashing(stored)
        self._incoming.add(name.removeprefix(FILES), hashing)
        self.files[name] = hashing.known()

    def take_over(self, aside: str) -> str | None:
        """See `IncomingFiles`."""
        return self._incoming.take_over(aside)


def unpacked(source: Path, into: Path, storage: IntoStorage | None = None) -> Path:
    """The folder with the backup's files: the backup itself, or what was unpacked from it into `into`. When
    unpacking, stored files go to `storage`. `-` is standard input. Raises BackupError."""
    if source.is_dir():
        return source
    streamed = str(source) == STREAM
    if not streamed and not source.is_file():
        raise BackupError(f"There is no backup at {source}.")
    name = "What came from standard input" if streamed else str(source)
    try:
        with _reading(source, streamed=streamed) as tar:
            for member in tar:
                if member.isfile() and _is_ours(member.name):
                    content = tar.extractfile(member)
                    if content is None:
                        continue
                    if storage is not None and member.name.startswith(FILES):
                        storage.add(member.name, StoredBytes(name, member.size, content))
                    else:
                        _Folder(into).add(member.name, content, member.size)
    except (tarfile.TarError, EOFError, gzip.BadGzipFile, zlib.error, lzma.LZMAError) as error:
        raise BackupError(f"{name} is an incomplete backup: {error}.") from error
    except OSError as error:
        raise BackupError(f"{name} cannot be unpacked into {into}: {error.strerror or error}.") from error
    return into


def _reading(source: Path, *, streamed: bool) -> tarfile.TarFile:
    if not streamed:
        return tarfile.open(source, "r:*")
    if sys.stdin.isatty():
        raise BackupError("Standard input is a terminal. Send a backup to it: csss restore - < FILE")
    return tarfile.open(fileobj=sys.stdin.buffer, mode="r|*")


def _is_ours(name: str) -> bool:
    """Whether the name is safe, so that no archive can write outside the folder."""
    parts = PurePosixPath(name).parts
    return bool(parts) and ".." not in parts and not name.startswith("/")


def read_manifest(folder: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads((folder / MANIFEST).read_bytes())
    except (OSError, ValueError) as error:
        raise BackupError("This is an incomplete backup: its manifest is missing or invalid.") from error
    if found.get("format") != FORMAT:
        raise BackupError(
            f"This backup has the format {found.get('format')}; this release reads format {FORMAT}."
        )
    return found


def check(
    folder: Path,
    manifest: dict[str, Any],
    tell: Callable[[str], None],
    taken: dict[str, dict[str, Any]] | None = None,
) -> None:
    """Check that exactly the files of the manifest exist, unchanged: in the folder, or `taken` into the storage.
    Raises BackupError."""
    taken, wrong = taken or {}, []
    for name, known in manifest["files"].items():
        path = folder / name
        if name in taken:
            if taken[name] != known:
                wrong.append(f"{name} is not what was backed up")
        elif not _is_ours(name) or not path.is_file():
            wrong.append(f"{name} is missing")
        elif path.stat().st_size != known["size"] or sha256_of(path) != known["sha256"]:
            wrong.append(f"{name} is not what was backed up")
    for name in (*taken, *(path.relative_to(folder).as_posix() for path in all_files(folder))):
        if name != MANIFEST and name not in manifest["files"]:
            wrong.append(f"{name} does not belong to the backup")
    for each in wrong[:10]:
        tell(each)
    if wrong:
        raise BackupError(f"The backup is damaged ({len(wrong)} files). Nothing has been changed.")


def all_files(folder: Path) -> Iterable[Path]:
    """Every file below, sorted; no hidden files, and none that are still being written."""
    for path in sorted(folder.rglob("*")):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if not hidden and path.suffix != ".partial" and path.is_file() and not path.is_symlink():
            yield path


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
