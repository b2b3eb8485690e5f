"""Real difficult files, which are packages and never committed, and pictures of them that DCMTK makes.

What this machine lacks is said, and the tests skip; in CI they fail.
"""

import os
import shutil
import subprocess
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

IN_CI = bool(os.environ.get("CI"))


def lacking(what: str) -> None:
    """Skip, or fail in CI, where nothing may be lacking."""
    if IN_CI:
        pytest.fail(f"{what} must be there in CI")
    pytest.skip(f"!!! {what} is not installed, so this is not tested")


@cache
def _folders() -> tuple[Path, ...]:
    import pydicom

    data = Path(pydicom.__file__).parent / "data"
    found = [data / "test_files", data / "charset_files", data / "test_files" / "dicomdirtests"]
    try:
        import data_store
    except ImportError:
        return tuple(found)
    return (*found, Path(data_store.__file__).parent / "data")


def path_of(name: str) -> Path:
    """A file of pydicom's tests or of pydicom-data."""
    for folder in _folders():
        if (folder / name).is_file():
            return folder / name
    lacking("pydicom-data")
    raise AssertionError


def sample(name: str) -> bytes:
    return path_of(name).read_bytes()


def program(name: str, package: str) -> str:
    found = shutil.which(name)
    if found is None:
        lacking(f"{name} (Debian's {package})")
    return str(found)


def dcmtk_picture(path: Path, folder: Path, *options: str) -> NDArray[np.uint8]:
    """An 8-bit picture by DCMTK, without overlays unless asked for."""
    if b"1.2.840.10008.1.2.4.8" in path.read_bytes()[:1000]:  # JPEG-LS, which needs another program first
        unpacked = folder / "unpacked.dcm"
        subprocess.run(
            [program("dcmdjpls", "dcmtk"), str(path), str(unpacked)], check=True, capture_output=True
        )
        path = unpacked
    target = folder / "reference.pnm"
    command = [program("dcmj2pnm", "dcmtk"), "--write-raw-pnm", *options, str(path), str(target)]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    return np.asarray(Image.open(target))
