"""What every test may ask for: an app on a database of its own, people, scans, and a browser-like visitor.

Each test gets a fresh copy of a migrated database (a copied file, or PostgreSQL's TEMPLATE), so that every commit is
real, the triggers are there, and nothing has to be cleaned up row by row. The copy always lies at the same place, so the
app is made once for each set of settings and used again: compiling its routes and SQL anew would triple the time.
"""

import gc
import os
import shutil
import socket
import sqlite3
import uuid
from collections.abc import Callable, Iterator
from functools import lru_cache
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
from tests.postgres import POSTGRES, ReusedDatabase, drop_database, maintain
from tests.visitor import Visitor

if TYPE_CHECKING:
    from playwright.sync_api import Browser


# `make fuzz`: as many examples as minutes allow, others each time.
trying.register_profile("fuzz", max_examples=int(os.environ.get("EXAMPLES", "5000")), print_blob=True)
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


def pytest_configure() -> None:
    """Files of the tests lie in memory where there is room: nobody pulls the plug, so no test need wait for a disk."""
    memory = Path("/dev/shm")
    if memory.is_dir() and shutil.disk_usage(memory).free > 4_000_000_000:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(memory))


def pytest_collection_finish(session: pytest.Session) -> None:
    """What has been loaded stays: the garbage collector need not look at it again and again.

    Raises UsageError when pytest-xdist does not see which tests belong together: each process would start everything.
    """
    if getattr(session.config.option, "loadgroup", False):
        grouped = [item for item in session.items if item.get_closest_marker("xdist_group")]
        if any("@" not in item.nodeid for item in grouped):
            raise pytest.UsageError("this pytest and this pytest-xdist do not keep groups of tests together")
    gc.collect()
    gc.freeze()


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
        "check_pictures": False,  # most pictures of the tests are no scans; test_doubtful_pictures.py asks
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
    maintain(f'CREATE DATABASE "{name}"')
    _migrate(create_app(settings_for(tmp_path_factory.mktemp("pg"), database_url=f"{POSTGRES}/{name}")))
    yield name
    drop_database(name)


@pytest.fixture(scope="session")
def reused_databases() -> Iterator[Callable[[str], ReusedDatabase]]:
    """By the name of their template."""
    made: dict[str, ReusedDatabase] = {}
    yield lambda template: made.get(template) or made.setdefault(template, ReusedDatabase(template))
    for each in made.values():
        each.drop()


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the app, emptied for each test."""
    return tmp_path_factory.mktemp("place")


@pytest.fixture
def settings(
    request: pytest.FixtureRequest,
    place: Path,
    reused_databases: Callable[[str], ReusedDatabase],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Settings]:
    """Override single settings with `@pytest.mark.parametrize("settings", [{"otp_minutes": 3}], indirect=True)`."""
    wanted = dict(getattr(request, "param", {}))
    # A test's parameter named "place" takes the place of the fixture: never empty a folder that is not ours.
    assert Path(place).resolve().parent == tmp_path_factory.getbasetemp().resolve(), (
        f"not a test's folder: {place!r}"
    )
    shutil.rmtree(place)
    place.mkdir()
    if wanted.pop("_database", "sqlite") == "sqlite":
        shutil.copy(request.getfixturevalue("migrated_sqlite"), place / "csss.db")
        yield settings_for(place, **wanted)
        return
    with reused_databases(request.getfixturevalue("migrated_postgres")).borrowed() as name:
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
