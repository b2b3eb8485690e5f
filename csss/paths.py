"""Locate the project's data folders, in a checkout and in an installed wheel."""

import shutil
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


def nearest(path: Path) -> Path:
    """`path`, or its nearest existing parent."""
    return next(each for each in (path, *path.parents) if each.exists())


def free_space(folder: Path) -> int:
    """Free bytes on the file system of `folder`, which may not exist yet. Raises OSError."""
    return shutil.disk_usage(nearest(folder)).free
