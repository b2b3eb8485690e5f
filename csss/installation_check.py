"""Run the checks of `csss check`. Each reports in one line what it found, and how to fix what is wrong.

A check creates nothing: no folder, no secret key, no database.
"""

import errno
import io
import shutil
import smtplib
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from csss.config import BadSetting, Settings, unknown_variables
from csss.database_from_outside import (
    DatabaseNotReadable,
    cause_and_remedy,
    not_made_yet,
    reading,
    without_password,
)
from csss.logs import said
from csss.paths import MIGRATIONS, MODELS, STATIC, TEMPLATES


@dataclass(frozen=True)
class CheckResult:
    name: str
    ok: bool
    text: str
    mend: str = ""
    note: bool = False  # not an error, but worth reading


def checks(settings: Settings) -> Iterator[CheckResult]:
    """Run all checks lazily; a failing check does not prevent the others."""
    for name, check in (
        ("Settings", _variables),
        ("Secret key", _secret_key),
        ("Python", _python),
        ("Project files", _project_files),
        ("System libraries for PDF", _pango),
        ("Font subsetting", _harfbuzz),
        ("Report", _report_fonts),
        ("Pictures", _pictures),
        ("Classifier", _model),
        ("Database", _database),
        ("Keys", _keys),
        ("Redis", _redis),
        ("Storage", _storage),
        ("Encryption", _encryption),
        ("Outbox", _outbox),
        ("Mail", _mail),
        ("Addresses", _addresses),
        ("Passkeys", _passkeys),
    ):
        try:
            yield check(settings)
        except DatabaseNotReadable:
            yield CheckResult(name, True, "not looked at: the database comes first", note=True)
        except Exception as error:
            # This command must report any error in one line.
            yield CheckResult(
                name, False, f"{type(error).__name__}: {said(error)}", "This check itself failed; see above."
            )


def needed_by(settings: Settings, parts: Iterable[str]) -> Iterator[CheckResult]:
    """Run lazily the checks that these parts (`web`, or names of queues) need at their start.

    Servers that may start later (PostgreSQL, Redis, mail) are waited for, and a full disk may be cleared, so
    neither is checked.
    """
    wanted = set(parts)
    yield _secret_key(settings)
    if missing := not_made_yet(settings):
        yield CheckResult("Database", False, missing, "csss migrate")
    if wanted - {"codes"}:
        yield _writable(settings)
    if wanted & {"web", "inference"}:
        yield _model_files(settings)


def _variables(_: Settings) -> CheckResult:
    unknown = unknown_variables()
    return CheckResult("Settings", True, " ".join(unknown) or "every name is known", note=bool(unknown))


def _secret_key(settings: Settings) -> CheckResult:
    if settings.secret_key:
        return CheckResult("Secret key", True, "set by CSSS_SECRET_KEY")
    if not settings.secret_key_file.exists():
        return CheckResult("Secret key", True, "is made when it is first needed; or set CSSS_SECRET_KEY")
    try:
        settings.kept_secret()
    except BadSetting as error:
        return CheckResult(
            "Secret key", False, str(error), "With a different key, existing data cannot be opened."
        )
    return CheckResult("Secret key", True, f"kept in {settings.secret_key_file}")


def _python(_: Settings) -> CheckResult:
    version = ".".join(map(str, sys.version_info[:3]))
    return CheckResult("Python", sys.version_info >= (3, 11), version, "Install Python 3.11 or later.")


def _project_files(_: Settings) -> CheckResult:
    missing = [str(folder) for folder in (TEMPLATES, STATIC, MIGRATIONS, MODELS) if not folder.is_dir()]
    return CheckResult(
        "Project files",
        not missing,
        f"missing {', '.join(missing)}" if missing else "complete",
        "Install again.",
    )


def _pango(_: Settings) -> CheckResult:
    name, mend = "System libraries for PDF", "apt-get install libpango-1.0-0 libpangoft2-1.0-0"
    try:
        from csss.reports import render
    except OSError as error:
        return CheckResult(name, False, f"Pango is missing ({str(error).splitlines()[0]})", mend)
    render.warm_up()
    return CheckResult(name, True, "Pango is there")


def _harfbuzz(_: Settings) -> CheckResult:
    """Without HarfBuzz, reports are still made, more slowly and with a warning per font; a later WeasyPrint will
    require it."""
    from ctypes.util import find_library

    found = find_library("harfbuzz-subset") is not None
    return CheckResult(
        "Font subsetting",
        found,
        "HarfBuzz is there"
        if found
        else "HarfBuzz is missing: reports use a slow method that will be removed",
        "apt-get install libharfbuzz-subset0",
    )


def _report_fonts(settings: Settings) -> CheckResult:
    """Check that reports can print the texts about the hospital; otherwise no report could be released."""
    from csss.hospital.from_outside import texts
    from csss.report_fonts import unprintable

    found = {each.word: where for text, where in texts(settings) for each in unprintable(text)}
    return CheckResult(
        "Report",
        not found,
        f"its fonts lack letters of {', '.join(found)}"
        if found
        else "prints the hospital's name and address",
        f"Change {' and '.join(dict.fromkeys(found.values()))}: Latin, Greek, Cyrillic, Devanagari or Tamil letters.",
    )


def _pictures(_: Settings) -> CheckResult:
    """A sandboxed child process opens uploads; a machine may refuse to start one."""
    from PIL import Image

    from csss.errors import Invalid
    from csss.scans.decoder import MIN_SIDE
    from csss.scans.intake import take_in

    target = io.BytesIO()
    Image.new("L", (MIN_SIDE, MIN_SIDE)).save(target, "PNG")
    try:
        take_in(target.getvalue(), limit=target.tell())
    except Invalid as error:
        return CheckResult(
            "Pictures", False, str(error), "Allow this user further processes and 1 GB of memory."
        )
    return CheckResult("Pictures", True, "opened in a process of their own")


_NOT_MADE_YET = "made in the instance folder when it is first needed"
_OTHER_MODEL = "Set CSSS_MODEL to a model folder, or install again."


def _model_files(settings: Settings) -> CheckResult:
    from csss.inference.labels import ModelCorrupt, ModelMissing, check_files, read_info
    from csss.recalibration.from_outside import NotMadeYet, folder_in_use

    try:
        info = read_info(folder_in_use(settings, make=False))
        check_files(info)
    except NotMadeYet as version:
        return CheckResult("Classifier", True, f"{version}, {_NOT_MADE_YET}")
    except (ModelMissing, ModelCorrupt, OSError) as error:
        return CheckResult("Classifier", False, str(error), _OTHER_MODEL)
    return CheckResult("Classifier", True, info.version)


def _model(settings: Settings) -> CheckResult:
    from csss.inference import Engine, ModelCorrupt, ModelMissing
    from csss.recalibration.from_outside import NotMadeYet, folder_in_use

    try:
        engine = Engine.load(folder_in_use(settings, make=False), threshold=settings.threshold)
        sample = next((Path(__file__).parent / "demo" / "scans").glob("*.jpg"))
        reading = engine.predict(sample.read_bytes())
    except NotMadeYet as version:
        return CheckResult("Classifier", True, f"{version}, {_NOT_MADE_YET}")
    except (ModelMissing, ModelCorrupt, OSError) as error:
        return CheckResult("Classifier", False, str(error), _OTHER_MODEL)
    return CheckResult("Classifier", True, f"{reading.model_version}, {reading.latency_ms:.0f} ms a scan")


def _database(settings: Settings) -> CheckResult:
    import sqlalchemy as sa
    from alembic.script import ScriptDirectory

    if missing := not_made_yet(settings):
        return CheckResult("Database", False, missing, "csss migrate")
    shown = without_password(settings.database)
    try:
        with reading(settings) as connection:
            tables = sa.inspect(connection).get_table_names()
            if "alembic_version" not in tables:
                return CheckResult("Database", False, f"{shown} is empty", "csss migrate")
            found = connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar()
    except DatabaseNotReadable as error:
        told = cause_and_remedy(error.__cause__, settings) if error.__cause__ else None
        return CheckResult(
            "Database", False, *(told or (f"{shown} cannot be used", "Look at CSSS_DATABASE_URL."))
        )
    head = ScriptDirectory(str(MIGRATIONS)).get_current_head()
    if found != head:
        return CheckResult("Database", False, f"{shown} is at {found}, the code at {head}", "csss migrate")
    return CheckResult("Database", True, f"{shown}, up to date")


def _keys(settings: Settings) -> CheckResult:
    """Check that the keys in the settings are the database's keys; creates and stores nothing."""
    import sqlalchemy as sa

    from csss.keys.start import wrong_keys_of

    try:
        wrong = wrong_keys_of(settings)
    except sa.exc.SQLAlchemyError:
        return CheckResult("Keys", False, "the database cannot be asked", "Fix the database first.")
    mend = "Nothing starts and nothing is written until the keys are right."
    return CheckResult("Keys", not wrong, " ".join(wrong) or "those of this database", mend)


def _redis(settings: Settings) -> CheckResult:
    import redis

    from csss.jobs.queues import connect

    shown = without_password(settings.redis_url)
    try:
        info = connect(settings.redis_url).info("server")
    except redis.RedisError as error:
        server = (
            "redis-server is installed" if shutil.which("redis-server") else "apt-get install redis-server"
        )
        return CheckResult("Redis", False, f"{shown}: {error}", f"Start it ({server}) or set CSSS_REDIS_URL.")
    return CheckResult("Redis", True, f"version {info['redis_version']}")


def _writable(settings: Settings) -> CheckResult:
    """Whether files can be stored, or could be once the folder exists."""
    from csss.storage import open_storage

    kept = open_storage(settings)
    try:
        kept.check_writable()
    except OSError as error:
        if error.errno not in {errno.ENOSPC, errno.EDQUOT}:
            return CheckResult(
                "Storage", False, f"{kept.place}: {error.strerror}", "Make the folder writable for this user."
            )
    return CheckResult("Storage", True, kept.place)


def _storage(settings: Settings) -> CheckResult:
    from csss.storage import open_storage

    writable = _writable(settings)
    free = open_storage(settings).free_space() if writable.ok else None
    if free is None:
        return writable
    return CheckResult(
        "Storage",
        free > 1e9,
        f"{writable.text}, {free / 1e9:.0f} GB free",
        "Free some space: less than 1 GB is left.",
    )


def _encryption(settings: Settings) -> CheckResult:
    """Checks one file of each area; `csss storage check` checks all."""
    from csss.storage import open_storage
    from csss.storage.files import AREAS, CannotOpen

    keys, kept = settings.storage_key_ring, open_storage(settings)
    plain = 0
    for area in AREAS:
        key = next(kept.stored(area), None)
        if key is None:
            continue
        try:
            plain += kept.key_id(key) is None
            kept.read(key)
        except (CannotOpen, OSError) as error:
            return CheckResult(
                "Encryption", False, str(error), "Correct CSSS_STORAGE_KEYS; see `csss storage check`."
            )
    if not keys:
        return CheckResult(
            "Encryption", True, "off; `csss storage new-key` makes a key for CSSS_STORAGE_KEYS"
        )
    more = f", reads {len(keys) - 1} more" if len(keys) > 1 else ""
    older = "; some files are not encrypted yet: csss storage rotate" if plain else ""
    return CheckResult("Encryption", True, f"stored files with the key {keys[0].id}{more}{older}")


def _outbox(settings: Settings) -> CheckResult:
    """Whether jobs are done: detects a missing or stuck worker."""
    from csss.clock import now
    from csss.outbox import OLD, overdue

    with reading(settings) as connection:
        late = {queue: now() - since for queue, since in overdue(connection).items() if now() - since > OLD}
    told = ", ".join(f"{queue.value} since {age.total_seconds() / 60:.0f} min" for queue, age in late.items())
    return CheckResult("Outbox", not late, told or "nothing waits", f"csss worker {' '.join(late)}")


def _mail(settings: Settings) -> CheckResult:
    if settings.mail_folder:
        return CheckResult("Mail", True, f"written to {settings.mail_folder}, not sent")
    where = f"{settings.mail_server}:{settings.mail_port}"
    try:
        with smtplib.SMTP(settings.mail_server, settings.mail_port, timeout=5) as server:
            server.ehlo()
            offers = server.has_extn("starttls")
    except (OSError, smtplib.SMTPException) as error:
        return CheckResult("Mail", False, f"{where}: {error}", "Set CSSS_MAIL_SERVER and CSSS_MAIL_PORT.")
    if settings.mail_starttls and not offers:
        return CheckResult(
            "Mail",
            False,
            f"{where} offers no STARTTLS",
            "Use another port (587), or CSSS_MAIL_STARTTLS=0 on one machine.",
        )
    return CheckResult("Mail", True, where)


def _addresses(settings: Settings) -> CheckResult:
    local = any(name in settings.base_url for name in ("://127.", "://localhost", "://[::1]"))
    if not settings.https and not local:
        return CheckResult(
            "Addresses",
            False,
            f"{settings.base_url} is not https",
            "Put a TLS proxy in front, set CSSS_BASE_URL to its https address and CSSS_TRUSTED_PROXIES=1.",
        )
    return CheckResult("Addresses", True, settings.base_url)


def _passkeys(settings: Settings) -> CheckResult:
    """The site for which passkeys work, and whether those who need one have one."""
    import sqlalchemy as sa

    party = settings.relying_party
    if party is None:
        return CheckResult("Passkeys", True, "none: browsers make them only for https addresses with a name")
    if not settings.admin_passkey:
        return CheckResult("Passkeys", True, f"for {party.id}, as people like")
    with reading(settings) as connection:
        count = connection.execute(
            sa.text(
                "SELECT count(DISTINCT users.id) FROM users JOIN passkeys ON passkeys.user_id = users.id "
                "WHERE users.role = 'admin' AND users.state = 'active'"
            )
        ).scalar_one()
    if not count:
        return CheckResult(
            "Passkeys",
            False,
            "administrators need one (CSSS_ADMIN_PASSKEY), and none of them has one yet",
            f"Sign in at {party.origin} as an administrator and register one: nothing else opens until then.",
        )
    with_one = "1 administrator has one" if count == 1 else f"{count} administrators have one"
    alone = "; let a second one register, in case it is lost" if count == 1 else ""
    return CheckResult("Passkeys", True, f"for {party.id}, required for administrators; {with_one}{alone}")
