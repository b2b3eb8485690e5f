"""What `csss check` looks at. Each check says in one line what it found, and how to mend what is wrong."""

import shutil
import smtplib
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from csss.config import Settings
from csss.paths import MIGRATIONS, MODELS, STATIC, TEMPLATES


@dataclass(frozen=True)
class Result:
    name: str
    ok: bool
    text: str
    mend: str = ""


def checks(settings: Settings) -> Iterator[Result]:
    """All checks, each made when it is asked for; a failing one does not keep the others from being made."""
    for name, check in (
        ("Python", _python),
        ("Project files", _project_files),
        ("System libraries for PDF", _pango),
        ("Font subsetting", _harfbuzz),
        ("Classifier", _model),
        ("Database", _database),
        ("Redis", _redis),
        ("Storage", _storage),
        ("Outbox", _outbox),
        ("Mail", _mail),
        ("Addresses", _addresses),
    ):
        try:
            yield check(settings)
        except Exception as error:
            # The point of this command is to report whatever is wrong, in a line.
            yield Result(
                name, False, f"{type(error).__name__}: {error}", "This check itself failed; see above."
            )


def _python(_: Settings) -> Result:
    version = ".".join(map(str, sys.version_info[:3]))
    return Result("Python", sys.version_info >= (3, 11), version, "Install Python 3.11 or later.")


def _project_files(_: Settings) -> Result:
    missing = [str(folder) for folder in (TEMPLATES, STATIC, MIGRATIONS, MODELS) if not folder.is_dir()]
    return Result(
        "Project files",
        not missing,
        f"missing {', '.join(missing)}" if missing else "complete",
        "Install again.",
    )


def _pango(_: Settings) -> Result:
    name, mend = "System libraries for PDF", "apt-get install libpango-1.0-0 libpangoft2-1.0-0"
    try:
        from csss.reports import render
    except OSError as error:
        return Result(name, False, f"Pango is missing ({str(error).splitlines()[0]})", mend)
    render.warm_up()
    return Result(name, True, "Pango is there")


def _harfbuzz(_: Settings) -> Result:
    """Without it reports are made all the same, only more slowly."""
    from ctypes.util import find_library

    found = find_library("harfbuzz-subset") is not None
    text = "fast" if found else "slow way in use; apt-get install libharfbuzz-subset0 makes reports faster"
    return Result("Font subsetting", True, text)


def _model(settings: Settings) -> Result:
    from csss.inference import Engine, ModelCorrupt, ModelMissing

    try:
        engine = Engine.load(settings.model or None, threshold=settings.threshold)
        sample = next((Path(__file__).parent / "demo" / "scans").glob("*.jpg"))
        reading = engine.predict(sample.read_bytes())
    except (ModelMissing, ModelCorrupt) as error:
        return Result("Classifier", False, str(error), "Set CSSS_MODEL to a model folder, or install again.")
    return Result("Classifier", True, f"{reading.model_version}, {reading.latency_ms:.0f} ms a scan")


def _database(settings: Settings) -> Result:
    import sqlalchemy as sa
    from alembic.script import ScriptDirectory

    engine = sa.create_engine(settings.database)
    shown = engine.url.render_as_string(hide_password=True)
    if engine.dialect.name == "sqlite" and not Path(engine.url.database or "").exists():
        return Result("Database", False, f"{shown} does not exist yet", "csss migrate")
    try:
        with engine.connect() as connection:
            tables = sa.inspect(connection).get_table_names()
            if "alembic_version" not in tables:
                return Result("Database", False, f"{shown} is empty", "csss migrate")
            found = connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar()
    except sa.exc.SQLAlchemyError as error:
        return Result(
            "Database",
            False,
            f"{shown}: {str(error).splitlines()[0]}",
            "Check CSSS_DATABASE_URL and the server.",
        )
    finally:
        engine.dispose()
    head = ScriptDirectory(str(MIGRATIONS)).get_current_head()
    if found != head:
        return Result("Database", False, f"{shown} is at {found}, the code at {head}", "csss migrate")
    return Result("Database", True, f"{shown}, up to date")


def _redis(settings: Settings) -> Result:
    import redis

    from csss.jobs.queues import connect

    try:
        info = connect(settings.redis_url).info("server")
    except redis.RedisError as error:
        server = (
            "redis-server is installed" if shutil.which("redis-server") else "apt-get install redis-server"
        )
        return Result(
            "Redis", False, f"{settings.redis_url}: {error}", f"Start it ({server}) or set CSSS_REDIS_URL."
        )
    return Result("Redis", True, f"version {info['redis_version']}")


def _storage(settings: Settings) -> Result:
    folder = settings.storage_folder
    probe = folder / f".probe-{uuid.uuid4().hex}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.write_bytes(b"ok")
        probe.unlink()
    except OSError as error:
        return Result(
            "Storage", False, f"{folder}: {error.strerror}", "Make the folder writable for this user."
        )
    free = shutil.disk_usage(folder).free / 1e9
    return Result(
        "Storage", free > 1, f"{folder}, {free:.0f} GB free", "Free some space: less than 1 GB is left."
    )


def _outbox(settings: Settings) -> Result:
    """Whether jobs are done: a worker that is missing shows here, and one that stands still."""
    from csss import create_app
    from csss.clock import now
    from csss.outbox import OLD, overdue

    with create_app(settings).app_context():
        late = {queue: now() - since for queue, since in overdue().items() if now() - since > OLD}
    told = ", ".join(f"{queue.value} since {age.total_seconds() / 60:.0f} min" for queue, age in late.items())
    return Result("Outbox", not late, told or "nothing waits", f"csss worker {' '.join(late)}")


def _mail(settings: Settings) -> Result:
    if settings.mail_folder:
        return Result("Mail", True, f"written to {settings.mail_folder}, not sent")
    where = f"{settings.mail_server}:{settings.mail_port}"
    try:
        with smtplib.SMTP(settings.mail_server, settings.mail_port, timeout=5) as server:
            server.ehlo()
            offers = server.has_extn("starttls")
    except (OSError, smtplib.SMTPException) as error:
        return Result("Mail", False, f"{where}: {error}", "Set CSSS_MAIL_SERVER and CSSS_MAIL_PORT.")
    if settings.mail_starttls and not offers:
        return Result(
            "Mail",
            False,
            f"{where} offers no STARTTLS",
            "Use another port (587), or CSSS_MAIL_STARTTLS=0 on one machine.",
        )
    return Result("Mail", True, where)


def _addresses(settings: Settings) -> Result:
    local = any(name in settings.base_url for name in ("://127.", "://localhost", "://[::1]"))
    if not settings.https and not local:
        return Result(
            "Addresses",
            False,
            f"{settings.base_url} is not https",
            "Put a TLS proxy in front, set CSSS_BASE_URL to its https address and CSSS_TRUSTED_PROXIES=1.",
        )
    return Result("Addresses", True, settings.base_url)
