"""A small file system to be full, for tests and the fault matrix: a real one, which answers ENOSPC by itself."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class CannotMount(RuntimeError):
    """This machine lets us mount nothing (it takes root and Linux)."""


@contextmanager
def small_file_system(folder: Path, size: str) -> Iterator[None]:
    """A tmpfs of `size` at `folder`, which must be empty. Raises CannotMount."""
    _run("mount", "-t", "tmpfs", "-o", f"size={size},mode=0700", "tmpfs", str(folder))
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=False, capture_output=True)


def resize(folder: Path, size: str) -> None:
    """Make the file system at `folder` smaller or larger, at once."""
    _run("mount", "-o", f"remount,size={size}", str(folder))


def _run(*command: str) -> None:
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        told = getattr(error, "stderr", b"") or str(error).encode()
        raise CannotMount(f"no file system can be mounted here: {told.decode().strip()}") from error
