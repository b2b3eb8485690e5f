"""Where the project's data folders are, in a checkout and in an installed wheel alike."""

import shutil
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent
# The wheel carries templates, static files, migrations and models inside the package (see pyproject.toml).
_BUNDLED = _PACKAGE / "_bundled"
ROOT = _BUNDLED if _BUNDLED.is_dir() else _PACKAGE.parent

TEMPLATES = ROOT / "templates"
STATIC = ROOT / "static"
MODELS = ROOT / "models"
MIGRATIONS = ROOT / "migrations"


def private_folder(folder: Path) -> None:
    """Make `folder`, and what is missing above it, for the owner alone: `mkdir` gives its mode to the last one only."""
    if not folder.is_dir():
        private_folder(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)


def nearest(path: Path) -> Path:
    """`path`, or what of it is there."""
    return next(each for each in (path, *path.parents) if each.exists())


def free_space(folder: Path) -> int:
    """Bytes left on the file system of `folder`, which may not have been made yet. Raises OSError."""
    return shutil.disk_usage(nearest(folder)).free
