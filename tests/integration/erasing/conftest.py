"""The life is lived once on each database; every test gets a copy of it."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from csss.config import Settings
from csss.database import db
from tests.factories import Clinic
from tests.integration.erasing.life import LIVED, Life, live_in
from tests.postgres import POSTGRES, create_database, drop_database


@pytest.fixture(scope="session")
def migrated_sqlite(migrated_sqlite: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("lived")
    shutil.copy(migrated_sqlite, folder / "csss.db")
    live_in(folder)
    return folder / "csss.db"


@pytest.fixture(scope="session")
def migrated_postgres(migrated_postgres: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    name = f"{migrated_postgres}_lived"
    create_database(name, migrated_postgres)
    live_in(tmp_path_factory.mktemp("lived-pg"), database_url=f"{POSTGRES}/{name}")
    yield name
    drop_database(name)


@pytest.fixture
def life(clinic: Clinic, settings: Settings) -> Life:
    folder, lived = LIVED[db.engine.dialect.name]
    for name in ("storage", "mail"):
        shutil.copytree(folder / name, Path(settings.instance) / name)
    clinic._people = 100  # further people have other addresses
    return replace(lived, clinic=clinic)
