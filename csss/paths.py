"""Where the project's data folders are, in a checkout and in an installed wheel alike."""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent
# The wheel carries templates, static files, migrations and models inside the package (see pyproject.toml).
_BUNDLED = _PACKAGE / "_bundled"
ROOT = _BUNDLED if _BUNDLED.is_dir() else _PACKAGE.parent

TEMPLATES = ROOT / "templates"
STATIC = ROOT / "static"
MODELS = ROOT / "models"
MIGRATIONS = ROOT / "migrations"
