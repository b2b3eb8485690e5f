"""The texts of the hospital that reports print, for commands that need no application, nor a database."""

from collections.abc import Iterator
from contextlib import suppress

import sqlalchemy as sa

from csss.config import Settings
from csss.database_from_outside import DatabaseNotReadable, reading
from csss.hospital.current import differs

_COLUMNS = {"name": "hospital_name", "address": "hospital_address", "telephone": "", "letterhead": ""}
_versions = sa.table("hospital_versions", sa.column("number"), *map(sa.column, _COLUMNS))


def texts(settings: Settings) -> Iterator[tuple[str, str]]:
    """Each text that counts, with where it is changed."""
    variables = "CSSS_HOSPITAL_NAME and CSSS_HOSPITAL_ADDRESS"
    for text in (settings.hospital_name, *settings.hospital_address_lines):
        yield text, variables
    newest = sa.select(_versions).order_by(_versions.c.number.desc()).limit(1)
    row = None
    with suppress(DatabaseNotReadable), reading(settings) as connection:
        row = connection.execute(newest).first()
    for name, setting in _COLUMNS.items() if row is not None else ():
        if not (setting and differs(settings, setting)):
            yield getattr(row, name), "the page “Hospital” of an administrator"
