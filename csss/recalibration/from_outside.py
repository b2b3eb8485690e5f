"""The version of the classifier in use, for commands that need no application, nor a database."""

from contextlib import suppress
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from csss.config import Settings
from csss.database_from_outside import DatabaseNotReadable, reading
from csss.inference.labels import default_folder
from csss.recalibration.folders import folder_name, make_folder, network

_choices = sa.table("model_choices", sa.column("number"), sa.column("version"))
_fitted = sa.table(
    "recalibrations",
    sa.column("version"),
    sa.column("labels", sa.JSON),
    sa.column("metrics", sa.JSON),
    sa.column("card", sa.Text),
)


class NotMadeYet(Exception):
    """The version in use has no folder on this machine yet; its network is there, so it is made when it is first needed."""


def folder_in_use(settings: Settings, *, make: bool = True) -> Path:
    """As `csss.recalibration.in_use.folder_in_use`; without a database that answers, nothing has been chosen.

    Raises `ModelMissing` and `ModelCorrupt`; with `make=False`, which makes nothing, also `NotMadeYet`.
    """
    if settings.model:
        return Path(settings.model).expanduser()
    chosen = _chosen(settings)
    if chosen is None:
        return default_folder()
    folder = folder_name(settings.instance_folder, chosen.labels["version"])
    if make:
        return make_folder(settings.instance_folder, chosen.labels, chosen.metrics, chosen.card)
    if not (folder / "labels.json").is_file():
        network(chosen.labels)
        raise NotMadeYet(chosen.labels["version"])
    return folder


def _chosen(settings: Settings) -> Any:
    """The row of the version that an administrator has chosen; None when it is the one that CSSS comes with."""
    newest = sa.select(_choices.c.version).order_by(_choices.c.number.desc()).limit(1)
    with suppress(DatabaseNotReadable), reading(settings) as connection:
        if version := connection.execute(newest).scalar():
            row = connection.execute(sa.select(_fitted).where(_fitted.c.version == version)).first()
            if row is not None:
                return row
    return None
