"""Which version of the classifier is in use: the folder that CSSS_MODEL names, else what an administrator has chosen, else
the one that CSSS comes with."""

from pathlib import Path

from flask import current_app
from sqlalchemy import select

from csss.config import Settings
from csss.database import db
from csss.inference.labels import ModelMissing, default_folder
from csss.recalibration.folders import files_of, make_folder
from csss.recalibration.models import ModelChoice, Recalibration

_NEWEST = select(ModelChoice.version).order_by(ModelChoice.number.desc()).limit(1)
_MADE = "csss_fitted_models"


def folder_in_use() -> Path:
    """The folder of the version in use; made on this machine when it is not there yet. Raises `ModelMissing` and
    `ModelCorrupt`."""
    settings: Settings = current_app.config["CSSS"]
    version = None if settings.model else db.session.scalar(_NEWEST)
    return folder_of(version) if version else installed_folder()


def installed_folder() -> Path:
    """The folder that is used as long as nothing has been chosen. Raises `ModelMissing`."""
    settings: Settings = current_app.config["CSSS"]
    return Path(settings.model).expanduser() if settings.model else default_folder()


def is_fitted(version: str) -> bool:
    """Whether a version of this name can have been fitted to a hospital: `csss-5+h1`."""
    return "+h" in version


def folder_of(version: str) -> Path:
    """The folder of a version that was fitted to this hospital. Raises `ModelMissing` and `ModelCorrupt`."""
    made: dict[str, tuple[Path, ...]] = current_app.extensions.setdefault(_MADE, {})
    files = made.get(version, ())
    if not files or not all(file.is_file() for file in files):
        row = db.session.scalar(select(Recalibration).where(Recalibration.version == version))
        if row is None:
            raise ModelMissing(f"No version {version} has been fitted to this hospital.")
        instance = current_app.config["CSSS"].instance_folder
        folder = make_folder(instance, row.labels, row.metrics, row.card)
        files = made[version] = files_of(folder, row.labels)
    return files[0].parent
