"""Fixtures that several rules share: the furnished site, a copy of it that may be sent anything, and what its forms hold."""

import shutil
import sqlite3
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from csss import create_app
from tests.conftest import settings_for
from tests.postgres import POSTGRES, create_database, drop_database
from tests.rules.copied_site import Known, copy_rows, opened
from tests.rules.site import Site, make_site


@pytest.fixture(scope="session")
def site(migrated_sqlite: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    yield from make_site(tmp_path_factory.mktemp("site"), migrated_sqlite)


@pytest.fixture(scope="session")
def known(site: Site) -> Known:
    """Looked up before anything is sent."""
    found = Known(site)
    assert len(found.fields) > 40 and len(found.args) > 6, "the forms are not found any more"
    return found


@pytest.fixture(scope="module")
def fuzzed(
    site: Site, known: Known, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    """A copy of the site. Asked for after `known`, which looks at the pages of the site itself."""
    folder = tmp_path_factory.mktemp("fuzz")
    source = site.app.config["CSSS"].instance_folder
    shutil.copytree(source / "storage", folder / "storage")
    # A proxy in front is trusted, so that what it forwards is looked at.
    settings = settings_for(folder, trusted_proxies=1)
    if request.param == "sqlite":
        with sqlite3.connect(source / "csss.db") as old, sqlite3.connect(folder / "csss.db") as new:
            old.backup(new)
        yield from opened(site, create_app(settings))
        return
    template = request.getfixturevalue("migrated_postgres")
    name = f"{template}_{uuid.uuid4().hex[:8]}"
    create_database(name, template)
    app = create_app(replace(settings, database_url=f"{POSTGRES}/{name}"))
    copy_rows(site.app, app)
    yield from opened(site, app)
    drop_database(name)
