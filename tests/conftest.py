"""What every test may ask for: an app on a database of its own, people, scans, and a browser-like visitor.

Each test gets a fresh copy of a migrated database (a copied file, or PostgreSQL's TEMPLATE), so that every commit is
real, the triggers are there, and nothing has to be cleaned up row by row. The copy always lies at the same place, so the
app is made once for each set of settings and used again: compiling its routes and SQL anew would triple the time.
"""

import os
import shutil
import socket
import sqlite3
import uuid
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa
from flask import Flask
from flask_migrate import upgrade
from hypothesis import settings as trying
from jinja2 import FileSystemBytecodeCache

from csss import create_app
from csss.caches import clear_all
from csss.config import Settings
from csss.database import db
from csss.factory import attach_services
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


class SpareDatabases:
    """PostgreSQL databases with two names in turn: while a test uses one, a thread makes the other anew."""

    def __init__(self, template: str) -> None:
        self._template = template
        self._thread = ThreadPoolExecutor(1)
        self._fresh = deque(
            (name, self._thread.submit(self._make, name)) for name in (f"{template}_a", f"{template}_b")
        )

    def _make(self, name: str) -> None:
        _maintain(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        create_database(name, self._template)

    @contextmanager
    def borrowed(self) -> Iterator[str]:
        name, made = self._fresh.popleft()
        made.result()
        yield name
        self._fresh.append((name, self._thread.submit(self._make, name)))

    def close(self) -> None:
        self._thread.shutdown()
        for name, _ in self._fresh:
            _maintain(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


@pytest.fixture(scope="session")
def spare_databases() -> Iterator[Callable[[str], SpareDatabases]]:
    """By the name of their template."""
    made: dict[str, SpareDatabases] = {}
    yield lambda template: made.get(template) or made.setdefault(template, SpareDatabases(template))
    for each in made.values():
        each.close()


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the app, emptied for each test."""
    return tmp_path_factory.mktemp("place")


@pytest.fixture
def settings(
    request: pytest.FixtureRequest, place: Path, spare_databases: Callable[[str], SpareDatabases]
) -> Iterator[Settings]:
    """Override single settings with `@pytest.mark.parametrize("settings", [{"otp_minutes": 3}], indirect=True)`."""
    wanted = dict(getattr(request, "param", {}))
    shutil.rmtree(place)
    place.mkdir()
    if wanted.pop("_database", "sqlite") == "sqlite":
        shutil.copy(request.getfixturevalue("migrated_sqlite"), place / "csss.db")
        yield settings_for(place, **wanted)
        return
    with spare_databases(request.getfixturevalue("migrated_postgres")).borrowed() as name:
        yield settings_for(place, database_url=f"{POSTGRES}/{name}", **wanted)


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


class ReusedApp:
    """An app as it was when it was made, for one test after the other."""

    def __init__(self, settings: Settings, templates: FileSystemBytecodeCache) -> None:
        self.app = create_app(settings)
        self.app.testing = True
        self.app.jinja_env.bytecode_cache = templates
        self._kept = [dict(each) for each in self._changeable()]

    def _changeable(self) -> tuple[dict[Any, Any], ...]:
        return self.app.config, self.app.extensions, self.app.view_functions

    def anew(self, settings: Settings) -> Flask:
        for each, kept in zip(self._changeable(), self._kept, strict=True):
            each.clear()
            each.update(kept)
        attach_services(self.app, settings)
        clear_all()
        return self.app


@pytest.fixture(scope="session")
def apps(compiled_templates: FileSystemBytecodeCache) -> Callable[[Settings], ReusedApp]:
    return lru_cache(maxsize=16)(lambda settings: ReusedApp(settings, compiled_templates))


@pytest.fixture
def app(settings: Settings, apps: Callable[[Settings], ReusedApp]) -> Iterator[Flask]:
    app = apps(settings).anew(settings)
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
