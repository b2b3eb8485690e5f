"""`csss demo`: run database, Redis, workers, web server and a mail folder on this machine, in the foreground."""

import fcntl
import os
import shutil
import socket
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields, replace
from pathlib import Path

import click

from csss.config import Settings, environment_name
from csss.demo.redis import NoRedisError, redis_command
from csss.outbox import DISPATCHER, Queue
from csss.supervisor import Child, GaveUp, Supervisor


def demo_settings(settings: Settings, port: int, redis_socket: Path) -> Settings:
    """Everything under `instance/demo/`, and only on 127.0.0.1, whatever other settings there are."""
    folder = settings.instance_folder / "demo"
    return replace(
        settings,
        instance=str(folder),
        database_url="",
        storage_url="",
        redis_url=f"unix://{redis_socket}",
        secret_key="",
        base_url=f"http://127.0.0.1:{port}",
        host="127.0.0.1",
        port=port,
        web_processes=1,
        trusted_proxies=0,
        mail_folder=str(folder / "mail"),
        uploads_a_day=100_000,  # one demo patient is used for everything that a visitor tries
        admin_passkey=False,  # its administrator has none
    )


def environment(settings: Settings) -> dict[str, str]:
    """All settings as environment variables, so that no `.env` file of a real system interferes."""
    values = {}
    for each in fields(settings):
        value = getattr(settings, each.name)
        text = "" if value is None else str(int(value)) if isinstance(value, bool) else str(value)
        values[environment_name(each.name)] = text
    return values


def run(settings: Settings, *, port: int, keep: bool) -> None:
    """Run until Ctrl-C. Raises click.ClickException when the port is in use, no Redis can be started, or a part is
    refused again and again."""
    _check_port(port)  # first of all: its user may be a running demo, whose data would be deleted
    # A separate folder for the socket, because its path may have at most 107 bytes.
    with (
        _alone(settings.instance_folder) as lock,
        tempfile.TemporaryDirectory(prefix="csss-demo-") as runtime,
    ):
        redis_socket = Path(runtime) / "redis.sock"
        chosen = demo_settings(settings, port, redis_socket)
        try:
            redis = Child("redis", redis_command(redis_socket))
        except NoRedisError as error:
            raise click.ClickException(str(error)) from error
        _prepare(chosen, keep=keep)
        variables = environment(chosen)
        children = [redis]
        children += [
            Child.csss("worker", queue.value, name=f"worker-{queue}", environment=variables)
            for queue in Queue
        ]
        children.append(Child.csss("web", name="web", environment=variables))
        try:
            Supervisor(children, held=[lock]).run(ready=lambda: _announce_when_ready(chosen))
        except GaveUp as error:
            raise click.ClickException(str(error)) from error
    click.echo("The demo has stopped. `csss demo --keep` continues with its data.")


@contextmanager
def _alone(folder: Path) -> Iterator[int]:
    """Allow one demo per folder, whatever its port: another one would delete this one's data.

    The yielded file is locked until this process and all that inherited it have ended.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "demo.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise click.ClickException(
                f"A demo runs from {folder} already, or its last processes are just ending. Stop that one first, "
                "or try again in a moment."
            ) from None
        yield lock.fileno()


def _check_port(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the web server does
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise click.ClickException(
                f"Port {port} cannot be used ({error.strerror}). Stop what uses it, or choose another one: "
                "CSSS_PORT=8001 csss demo"
            ) from error


def _prepare(settings: Settings, *, keep: bool) -> None:
    folder = settings.instance_folder
    if folder.exists() and not keep:
        shutil.rmtree(folder)
    fresh = not (folder / "csss.db").exists()
    folder.mkdir(parents=True, exist_ok=True)
    from flask_migrate import upgrade

    from csss import create_app

    os.environ.update(environment(settings))
    app = create_app(settings)
    with app.app_context():
        upgrade()
        if fresh:
            from csss.demo.seed import seed
            from csss.live.publish import PUBLISHER

            click.echo("Making demo accounts and scans …")
            app.extensions[DISPATCHER] = lambda row_id, queue: None  # the seed does its own jobs
            del app.extensions[PUBLISHER]  # no page is open yet
            seed()


def _announce_when_ready(settings: Settings) -> bool:
    try:
        with urllib.request.urlopen(f"{settings.base_url}/readyz", timeout=2) as answer:  # noqa: S310  # nosec B310  # our own address
            if answer.status != 200:
                return False
    except (urllib.error.URLError, OSError):
        return False
    from csss.demo.seed import ACCOUNTS, PASSPHRASE, PASSWORD

    click.echo(f"\nCSSS is ready at {settings.base_url} (Ctrl-C stops it)\n")
    for email, what in ACCOUNTS:
        click.echo(f"  {email:<28} {what}")
    click.echo(f"\n  Password of all: {PASSWORD}   Report pass phrase of the patients: {PASSPHRASE}")
    click.echo(f"  Mail, with the administrator's codes, is in {settings.mail_folder}\n")
    return True
