"""Locate the project's data folders, in a checkout and in an installed wheel; write files for their owner alone."""

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent
# The wheel contains templates, static files, migrations and models inside the package (see pyproject.toml).
_BUNDLED = _PACKAGE / "_bundled"
ROOT = _BUNDLED if _BUNDLED.is_dir() else _PACKAGE.parent

TEMPLATES = ROOT / "templates"
STATIC = ROOT / "static"
MODELS = ROOT / "models"
MIGRATIONS = ROOT / "migrations"


def private_folder(folder: Path) -> None:
    """Create `folder` and its missing parents, for the owner alone: `mkdir` applies its mode only to the last one."""
    if not folder.is_dir():
        private_folder(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)


def write_private(path: Path, content: bytes, *, only_over: bool = False) -> bool:
    """Write a file for the owner alone, as a whole or not at all; its folder exists. Raises OSError.

    `only_over`: only where there is a file still. Returns whether it was written. A symbolic link with this name is
    replaced, and what it points to stays as it is.
    """
    with _whole(path, content) as partial:
        if only_over and not path.exists():  # deleted meanwhile: do not bring it back
            return False
        partial.replace(path)
    return True


def write_private_once(path: Path, content: bytes) -> bool:
    """Like `write_private`, but never over something that has this name: then False. Of several who write at once, one
    wins. It lasts through a power cut once this returns."""
    with _whole(path, content) as partial:
        try:
            path.hardlink_to(partial)
        except FileExistsError:
            return False
        except OSError:  # a file system without hard links
            if path.exists() or path.is_symlink():
                return False
            partial.replace(path)
        _settle(path.parent)
    return True


@contextmanager
def _whole(path: Path, content: bytes) -> Iterator[Path]:
    """The content in a file beside `path`, which is gone afterwards, whatever happens (Ctrl-C, too)."""
    # A unique temporary name: two people may open the same scan for the first time at once.
    partial = path.with_suffix(f".{uuid.uuid4().hex[:8]}.partial")
    try:
        with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        yield partial
    finally:
        with suppress(OSError):
            partial.unlink(missing_ok=True)


def _settle(folder: Path) -> None:
    """Let the names in a folder last through a power cut, where its file system can."""
    with suppress(OSError):
        opened = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)


def nearest(path: Path) -> Path:
    """`path`, or its nearest existing parent."""
    return next(each for each in (path, *path.parents) if each.exists())


def free_space(folder: Path) -> int:
    """Free bytes on the file system of `folder`, which may not exist yet. Raises OSError."""
    return shutil.disk_usage(nearest(folder)).free
