"""An app with people in it that can be put back to its beginning within milliseconds, and a look at all of its rows."""

import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flask import Flask

from csss import create_app
from csss.all_tables import load_models
from csss.database import Base, db
from csss.storage.files import storage
from tests.conftest import settings_for
from tests.factories import Clinic, picture
from tests.postgres import POSTGRES, create_database, drop_database

ROLES = ("patient", "doctor", "pharmacist", "admin")
load_models()
TABLES = tuple(table.name for table in Base.metadata.sorted_tables)
APPEND_ONLY = tuple(table.name for table in Base.metadata.sorted_tables if table.info.get("append_only"))
_PEOPLE = {"users", "patients"}

Row = dict[str, Any]
Snapshot = dict[str, dict[Any, Row]]


@dataclass
class World:
    """`people` are two of each role, in the order of ROLES; `file_key` is a stored picture."""

    app: Flask
    people: list[uuid.UUID]
    file_key: str
    reset: Callable[[], None]


@contextmanager
def sqlite_world(folder: Path, migrated: Path) -> Iterator[World]:
    path = folder / "csss.db"
    shutil.copy(migrated, path)
    app = create_app(settings_for(folder))
    with app.app_context():
        people, file_key = _furnish(app)
        with db.engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        db.engine.dispose()
        beginning = path.read_bytes()

        def reset() -> None:
            db.session.remove()
            db.engine.dispose()
            for leftover in folder.glob("csss.db-*"):
                leftover.unlink()
            path.write_bytes(beginning)

        yield World(app, people, file_key, reset)
        db.session.remove()
        db.engine.dispose()


@contextmanager
def postgres_world(folder: Path, template: str) -> Iterator[World]:
    name = f"{template}_{uuid.uuid4().hex[:8]}"
    create_database(name, template)
    app = create_app(settings_for(folder, database_url=f"{POSTGRES}/{name}"))
    others = ", ".join(table for table in TABLES if table not in _PEOPLE)
    with app.app_context():
        people, file_key = _furnish(app)

        def reset() -> None:
            db.session.remove()
            with db.engine.connect() as connection:
                # The only way past the triggers, open to nobody but the owner of the whole server.
                connection.exec_driver_sql("SET LOCAL session_replication_role = replica")
                connection.exec_driver_sql(f"TRUNCATE {others}")
                connection.commit()

        yield World(app, people, file_key, reset)
        db.session.remove()
        db.engine.dispose()
    drop_database(name)


def _furnish(app: Flask) -> tuple[list[uuid.UUID], str]:
    clinic = Clinic(app)
    people = [clinic.person(role).id for role in ROLES for _ in range(2)]
    file_key = storage().put("scans", "png", picture(80, 80))
    db.session.remove()
    return people, file_key


def snapshot() -> Snapshot:
    """Every row of every table, by its id, past the session; ids are hexadecimal text on either database."""
    found: Snapshot = {}
    with db.engine.connect() as connection:
        for table in TABLES:
            rows = connection.exec_driver_sql(f"SELECT * FROM {table}").mappings()
            key = Base.metadata.tables[table].primary_key.columns[0].name
            plain = ({name: _plain(value) for name, value in row.items()} for row in rows)
            found[table] = {row[key]: row for row in plain}
    return found


def _plain(value: Any) -> Any:
    if isinstance(value, uuid.UUID):
        return value.hex
    return repr(value) if isinstance(value, dict | list) else value


def rows_of(snap: Snapshot, table: str, scan_id: uuid.UUID, order: str = "") -> list[Row]:
    """The rows of a table that belong to a scan."""
    rows = [row for row in snap[table].values() if row["scan_id"] == scan_id.hex]
    return sorted(rows, key=lambda row: row[order]) if order else rows


def changed_tables(before: Snapshot, after: Snapshot) -> set[str]:
    return {table for table in TABLES if before[table] != after[table]}
