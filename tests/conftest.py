"""What every test may ask for: an app on a database of its own, people, scans, and a browser-like visitor.

Each test gets a fresh copy of a migrated database (a copied file, or PostgreSQL's TEMPLATE), so that every commit is
real, the triggers are there, and nothing has to be cleaned up row by row.
"""

import os
import shutil
import socket
import sqlite3
import uuid
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa
from flask import Flask
from flask_migrate import upgrade
from hypothesis import settings as trying
from jinja2 import FileSystemBytecodeCache
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.util import LRUCache
from werkzeug.routing import Rule

from csss import create_app
from csss.config import Settings
from csss.database import db
from csss.keys.start import check_keys
from tests.factories import Clinic
from tests.visitor import Visitor

if TYPE_CHECKING:
    from playwright.sync_api import Browser


# `make fuzz`: as many examples as minutes allow, others each time.
trying.register_profile("fuzz", max_examples=int(os.environ.get("EXAMPLES", "5000")), print_blob=True)
POSTGRES = os.environ.get("CSSS_TEST_POSTGRES", "postgresql+psycopg://postgres@127.0.0.1:5432")
# The same Chromium without windows of its own: a page opens in a third of the time, since the toolbars that nobody sees are
# not loaded with each; and it never forgot to say that a page with a drop-down list is closed.
CHROMIUM = next(
    (path for path in map(Path, ("/usr/bin/chromium-headless-shell", "/usr/bin/chromium")) if path.exists()),
    None,
)
IN_CI = bool(os.environ.get("CI"))
SECRET = "a test key that is long enough to be taken as one"


@sa.event.listens_for(sa.Engine, "connect")
def _spare_the_disk(connection: object, _: object) -> None:
    """No test pulls the plug: waiting for the disk at each commit would only double the time."""
    if isinstance(connection, sqlite3.Connection):
        connection.execute("PRAGMA synchronous = OFF")


_compile_builder = Rule._compile_builder
_builders: dict[tuple[str, str, str, bool], Any] = {}


def _compile_builder_once(self: Rule, append_unknown: bool = True) -> Any:
    """Each test has an app of its own, but the same routes: their code is compiled only once (20 ms an app)."""
    key = (self.rule, repr(self.defaults), repr(self._trace), append_unknown)
    if key not in _builders:
        _builders[key] = _compile_builder(self, append_unknown)
    return _builders[key]


Rule._compile_builder = _compile_builder_once  # type: ignore[method-assign]


# Each test has a database of its own, and with it an engine; but the statements are the same, and putting one together takes
# longer than the database needs to answer it. Dialects of one kind count as equal here: they are part of a statement's key.
_statements: dict[type, LRUCache] = {}
for _kind in (SQLiteDialect_pysqlite, PGDialect_psycopg):
    _kind.__eq__ = lambda self, other: type(self) is type(other)  # type: ignore[method-assign, assignment]
    _kind.__hash__ = lambda self: hash(type(self))  # type: ignore[method-assign]


@sa.event.listens_for(sa.Engine, "engine_connect")
def _share_statements(connection: sa.Connection) -> None:
    engine = connection.engine
    engine._compiled_cache = _statements.setdefault(type(engine.dialect), LRUCache(5000))


def settings_for(folder: Path, **more: object) -> Settings:
    """Settings that touch nothing outside `folder`. Nothing listens on port 1, so no test talks to a real Redis
    unless it says so; jobs are then run by `Clinic.run_jobs`."""
    values: dict[str, object] = {
        "instance": str(folder),
        "redis_url": "redis://127.0.0.1:1/0",
        "mail_folder": str(folder / "mail"),
        "secret_key": SECRET,
        "bcrypt_rounds": 4,
        "hospital_name": "Hospital of the Tests",
        "time_zone": "Asia/Kolkata",
    }
    return Settings(**{**values, **more})


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("template")
    _migrate(create_app(settings_for(folder)))
    return folder / "csss.db"


def _migrate(app: Flask) -> None:
    with app.app_context():
        upgrade()
        check_keys()  # as `csss migrate` does
        db.session.remove()
        db.engine.dispose()


@pytest.fixture(scope="session")
def migrated_postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The name of a migrated template database. Skips where there is no PostgreSQL, except in CI."""
    url = sa.make_url(POSTGRES)
    try:
        socket.create_connection((url.host or "127.0.0.1", url.port or 5432), timeout=2).close()
    except OSError as error:
        if IN_CI:
            raise
        pytest.skip(f"PostgreSQL is not reachable at {url.host}:{url.port} ({error}): not tested on it")
    name = f"csss_test_{uuid.uuid4().hex[:12]}"
    _maintain(f'CREATE DATABASE "{name}"')
    _migrate(create_app(settings_for(tmp_path_factory.mktemp("pg"), database_url=f"{POSTGRES}/{name}")))
    yield name
    _maintain(f'DROP DATABASE "{name}" WITH (FORCE)')


@cache
def _maintenance() -> sa.Engine:
    """One connection for all that makes and drops databases."""
    return sa.create_engine(
        f"{POSTGRES}/postgres", isolation_level="AUTOCOMMIT", pool_size=1, pool_pre_ping=True
    )


def _maintain(statement: str) -> None:
    with _maintenance().connect() as connection:
        connection.exec_driver_sql(statement)


def create_database(name: str, template: str) -> None:
    _maintain(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
    _maintain(f'ALTER DATABASE "{name}" SET synchronous_commit = off')


@pytest.fixture
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Settings]:
    """Override single settings with `@pytest.mark.parametrize("settings", [{"otp_minutes": 3}], indirect=True)`."""
    wanted = dict(getattr(request, "param", {}))
    if wanted.pop("_database", "sqlite") == "sqlite":
        shutil.copy(request.getfixturevalue("migrated_sqlite"), tmp_path / "csss.db")
        yield settings_for(tmp_path, **wanted)
        return
    template = request.getfixturevalue("migrated_postgres")
    name = f"{template}_{uuid.uuid4().hex[:8]}"
    create_database(name, template)
    yield settings_for(tmp_path, database_url=f"{POSTGRES}/{name}", **wanted)
    _maintain(f'DROP DATABASE "{name}" WITH (FORCE)')


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Whoever leaves the training out need not wait for TensorFlow (each process of a run loads all tests)."""
    left_out = (
        "not training" in config.option.markexpr and collection_path == Path(__file__).parent / "training"
    )
    return True if left_out else None


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if metafunc.definition.get_closest_marker("both_databases"):
        cases = [
            pytest.param({"_database": "sqlite"}, id="sqlite"),
            pytest.param({"_database": "postgresql"}, id="postgresql", marks=pytest.mark.postgres),
        ]
        metafunc.parametrize("settings", cases, indirect=True)


@pytest.fixture(scope="session")
def compiled_templates(tmp_path_factory: pytest.TempPathFactory) -> FileSystemBytecodeCache:
    return FileSystemBytecodeCache(str(tmp_path_factory.mktemp("templates")))


@pytest.fixture
def app(settings: Settings, compiled_templates: FileSystemBytecodeCache) -> Iterator[Flask]:
    app = create_app(settings)
    app.testing = True
    # Each test has an app of its own, but the templates are compiled only once.
    app.jinja_env.bytecode_cache = compiled_templates
    with app.app_context():
        yield app
        db.session.remove()
        db.engine.dispose()


@pytest.fixture
def clinic(app: Flask) -> Clinic:
    """Makes people and scans, and runs the jobs that are due."""
    return Clinic(app)


@pytest.fixture
def nobody(app: Flask) -> Visitor:
    """A visitor who is not signed in."""
    return Visitor(app)


@pytest.fixture
def patient(clinic: Clinic) -> Visitor:
    return clinic.visitor(clinic.person("patient"))


@pytest.fixture
def doctor(clinic: Clinic) -> Visitor:
    return clinic.visitor(clinic.person("doctor"))


@pytest.fixture
def pharmacist(clinic: Clinic) -> Visitor:
    return clinic.visitor(clinic.person("pharmacist"))


@pytest.fixture
def admin(clinic: Clinic) -> Visitor:
    return clinic.visitor(clinic.person("admin"))


@pytest.fixture
def queries_of(app: Flask) -> Iterator[Callable[[Callable[[], object]], int]]:
    """Counts the statements that something sends to the database."""
    sent: list[str] = []

    def note(*args: object) -> None:
        sent.append(str(args[2]))

    def count(what: Callable[[], object]) -> int:
        sent.clear()
        what()
        return len(sent)

    sa.event.listen(db.engine, "before_cursor_execute", note)
    yield count
    sa.event.remove(db.engine, "before_cursor_execute", note)


@pytest.fixture(scope="session")
def browser() -> Iterator["Browser"]:
    """One Chromium for all tests of a process: Playwright allows no second one beside it."""
    if CHROMIUM is None:
        if IN_CI:
            pytest.fail("Chromium is missing, and in CI the browser tests must run")
        pytest.skip(
            "Chromium is missing (apt-get install chromium-headless-shell): pages are not tested in a browser"
        )
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=str(CHROMIUM),
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"],
        )
        yield browser
        browser.close()
