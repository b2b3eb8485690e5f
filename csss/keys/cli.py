"""`csss change-secret-key`: change the secret key of an installation."""

import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING

import click

from csss.config import Settings, load_settings

if TYPE_CHECKING:
    from csss.keys.change import KeyChange

_SHOWN = 20
_KEY_FILE = click.Path(path_type=Path, exists=True, dir_okay=False, allow_dash=True)


@click.command("change-secret-key")
@click.option(
    "--old-key-file",
    type=_KEY_FILE,
    help="A file with the old key (- for standard input), instead of asking.",
)
@click.option(
    "--earlier-key-file",
    "earlier_files",
    type=_KEY_FILE,
    multiple=True,
    help="A key from before the old one, where the audit log asks for it; may be given several times.",
)
@click.option("--make-new", is_flag=True, help="Make the new key, if it is stored in the instance folder.")
@click.option("--without-old-key", is_flag=True, help="The old key is lost. What it encrypted is lost, too.")
@click.option("--force", is_flag=True, help="Change it although the check of the audit log fails.")
def change_secret_key(
    old_key_file: Path | None,
    earlier_files: tuple[Path, ...],
    make_new: bool,
    without_old_key: bool,
    force: bool,
) -> None:
    """Change from the secret key in use to the one in CSSS_SECRET_KEY.

    Stop `csss web` and `csss worker` first. The change is atomic. Authenticator apps and report pass phrases are
    kept; sessions, recovery codes, mailed codes and links end. The command checks the audit log first, and records
    the change. Keep the old key as long as backups made with it.
    """
    settings = load_settings()
    if running := "; ".join(_running(settings)):
        raise click.ClickException(f"{running}. Stop `csss web` and `csss worker` first, on every machine.")
    if make_new and settings.secret_key:
        raise click.ClickException("CSSS_SECRET_KEY is set: put the new key there, without --make-new.")
    earlier = [_read(file) for file in earlier_files]
    if make_new:
        if _finished_before(settings):
            return
        with _new_key_beside(settings) as (in_file, new):
            outcome = _change(replace(settings, secret_key=new), lambda: in_file, earlier, force=force)
    else:

        def old_key() -> str | None:
            return None if without_old_key else _old_key(settings, old_key_file)

        outcome = _change(settings, old_key, earlier, force=force)
        if outcome is not None and settings.secret_key and settings.secret_key_file.exists():
            aside = settings.secret_key_file.rename(_aside(settings))
            click.echo(f"The old key of the instance folder is in {aside} now.")
    if outcome is None:
        click.echo("This secret key is the one in use already. Nothing was changed.")
        return
    for sentence in outcome.sentences():
        click.echo(sentence)
    click.echo("The secret key has been changed. Start `csss worker` and `csss web` again, with the new key.")


def _change(
    settings: Settings, old_key: Callable[[], str | None], earlier: list[str], *, force: bool
) -> "KeyChange | None":
    """Change the key; None when there is nothing to change."""
    import sqlalchemy as sa
    from flask_migrate import upgrade

    from csss import create_app
    from csss.audit.record import coming_from
    from csss.database import db, transaction
    from csss.keys import change

    with create_app(settings, pages=False).app_context(), coming_from("command line"):
        if not sa.inspect(db.engine).has_table("key_checks"):
            upgrade()  # after a time with a wrong key `csss migrate` would refuse both keys
        if change.is_in_use():
            return None
        old = old_key()
        try:
            with transaction():
                done = (
                    change.go_on_without_old_key()
                    if old is None
                    else change.change(old, earlier, force=force)
                )
        except change.CannotChange as refusal:
            for problem in refusal.problems[:_SHOWN]:
                click.echo(f"{click.style('FAIL', fg='red', bold=True)}  {problem}")
            raise click.ClickException(str(refusal)) from refusal
        return done


def _old_key(settings: Settings, file: Path | None) -> str:
    """Read the old key from the given file, from the instance folder if the setting is new, or from a prompt."""
    if file is not None:
        return _read(file)
    if settings.secret_key and settings.secret_key_file.exists():
        return _read(settings.secret_key_file)
    found: str = click.prompt("The old secret key", hide_input=True)
    return found.strip()


def _read(file: Path) -> str:
    with click.open_file(str(file), encoding="utf-8") as opened:
        return opened.read().strip()


# A new key in the instance folder stays beside the old one until the database has it.


@contextmanager
def _new_key_beside(settings: Settings) -> Iterator[tuple[str, str]]:
    """The old key and a new one, which replaces it at the end."""
    place, beside = settings.secret_key_file, _beside(settings)
    if not place.exists():
        raise click.ClickException(f"There is no key in {place}.")
    old, new = _read(place), secrets.token_urlsafe(48)
    with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
        file.write(new)
        file.flush()
        os.fsync(file.fileno())
    try:
        yield old, new
    except click.ClickException:
        beside.unlink()
        raise
    # After any other error nobody knows whether the database has the new key: keep it, and `_finished_before`
    # decides.
    _put_in_place(settings)


def _finished_before(settings: Settings) -> bool:
    """Whether a change that was interrupted after the database had the new key is completed now."""
    from csss.keys.start import is_secret_key

    beside = _beside(settings)
    if not beside.exists():
        return False
    if not is_secret_key(settings, _read(beside)):
        beside.unlink()
        return False
    _put_in_place(settings)
    click.echo("The interrupted change has been completed.")
    return True


def _put_in_place(settings: Settings) -> None:
    aside = _aside(settings)
    os.link(settings.secret_key_file, aside)
    _beside(settings).replace(settings.secret_key_file)
    click.echo(f"The new key is in {settings.secret_key_file}, the old one in {aside}.")


def _beside(settings: Settings) -> Path:
    return settings.secret_key_file.with_name("secret_key.new")


def _aside(settings: Settings) -> Path:
    from csss.clock import now

    return settings.secret_key_file.with_name(f"secret_key-before-{now():%Y%m%dT%H%M%S}")


# Processes that would continue with the old key. One that is not found here still cannot write with it.


def _running(settings: Settings) -> Iterator[str]:
    import redis
    from rq import Worker

    from csss.jobs.queues import connect, rq_queue
    from csss.outbox import Queue

    with suppress(redis.RedisError):
        connection = connect(settings.redis_url)
        if sum(Worker.count(queue=rq_queue(queue, connection)) for queue in Queue):
            yield "Workers are running (one that was killed is forgotten after half a minute)"
    if _answers(settings):
        yield f"Something serves the pages on port {settings.port}"


def _answers(settings: Settings) -> bool:
    from http.client import HTTPConnection, HTTPException

    line = HTTPConnection(_reachable(settings.host), settings.port, timeout=2)
    try:
        line.request("GET", "/healthz")
        return line.getresponse().read(3) == b"ok\n"
    except (OSError, HTTPException):
        return False
    finally:
        line.close()


def _reachable(host: str) -> str:
    """The address at which this machine can reach a server that listens on `host`."""
    try:
        address = ip_address(host)
    except ValueError:
        return host
    if address.is_unspecified:
        return "127.0.0.1" if address.version == 4 else "::1"
    return host
