"""The `csss` command. Each command imports its own heavy dependencies."""

import errno
import os
import sys
from pathlib import Path

import click

from csss.audit.cli import audit
from csss.backup.cli import backup, restore
from csss.config import BadSetting, Settings, load_settings, unknown_variables
from csss.erasing.cli import erase_patient, finish_erasures
from csss.inference.cli import models, predict
from csss.inference.labels import ModelCorrupt, ModelMissing
from csss.keys.cli import change_secret_key
from csss.recalibration.cli import recalibrate
from csss.storage.cli import storage
from csss.study.cli import study
from csss.supervisor import REFUSED

# Errors that a deployer can fix: permissions, disk space, existing files. Others may be our bugs, and show a
# traceback.
_OF_THE_PLACE = frozenset(
    {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.ENOTDIR, errno.EEXIST}
)


class _Refusal(click.ClickException):
    """Nothing that another try would change."""


class _RefusalOfChild(_Refusal):
    """The same, for the supervisor."""

    exit_code = REFUSED


class _Group(click.Group):
    """Shows an error that a deployer can fix as one sentence, not as a traceback."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            return self._in_sentences(ctx)
        except _Refusal as refusal:
            if ctx.params["started_by_csss"]:
                raise _RefusalOfChild(refusal.message) from refusal
            raise

    def _in_sentences(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except (BadSetting, ModelMissing, ModelCorrupt) as error:
            raise _Refusal(str(error)) from error
        except OSError as error:
            if error.errno in _OF_THE_PLACE:
                where = f"{error.filename}: " if error.filename else ""
                raise click.ClickException(f"{where}{error.strerror}.") from error
            if "cannot load library" not in str(error):
                raise
            # Raised by WeasyPrint's import.
            raise click.ClickException(
                "The system libraries for PDF are missing: apt-get install libpango-1.0-0 libpangoft2-1.0-0"
            ) from error
        except Exception as error:
            if told := _of_the_database(error):
                raise click.ClickException(told) from error
            raise


def _of_the_database(error: Exception) -> str | None:
    if (
        "sqlalchemy" not in sys.modules
    ):  # heavy to import, and a command that has not loaded it has no such error
        return None
    from csss.database_from_outside import sentence

    return sentence(error, load_settings())


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="csss")
@click.option("--started-by-csss", is_flag=True, hidden=True, help="Do not repeat messages.")
@click.pass_context
def main(context: click.Context, started_by_csss: bool) -> None:
    """CSSS, the Clinical Scan Support System."""
    from csss.logs import init_logging

    init_logging()
    context.obj = _model_in_use
    if context.invoked_subcommand != "check" and not started_by_csss:  # `check` reports it with the rest
        for told in unknown_variables():
            click.echo(f"Note: {told}", err=True)


def _model_in_use(settings: Settings) -> Path:
    from csss.recalibration.from_outside import folder_in_use

    return folder_in_use(settings)


main.add_command(predict)
main.add_command(models)
main.add_command(recalibrate)
main.add_command(audit)
main.add_command(backup)
main.add_command(restore)
main.add_command(storage)
main.add_command(study)
main.add_command(erase_patient)
main.add_command(finish_erasures)
main.add_command(change_secret_key)


@main.command()
def web() -> None:
    """Serve the pages (gunicorn)."""
    from csss.server import serve

    settings = load_settings()
    _refuse_to_start(settings, "web")
    serve(settings)


def _refuse_to_start(settings: Settings, *parts: str) -> None:
    """Exit with the first failed check of what these processes need."""
    from csss.installation_check import needed_by

    for result in needed_by(settings, parts):
        if not result.ok:
            raise _Refusal(f"{result.name}: {result.text}\n{result.mend}")


@main.command()
@click.argument("queues", nargs=-1, type=click.Choice(["inference", "reports", "mail", "codes"]))
def worker(queues: tuple[str, ...]) -> None:
    """Do the jobs of QUEUES (default: all four), each queue in its own process."""
    from csss.keys.start import refuse_wrong_keys
    from csss.outbox import Queue

    wanted = queues or tuple(queue.value for queue in Queue)
    settings = load_settings()
    _refuse_to_start(settings, *wanted)
    refuse_wrong_keys(settings)
    if len(queues) == 1:
        from csss import create_app
        from csss.jobs.worker import work

        work(create_app(settings, pages=False), Queue(queues[0]))
        return
    from csss.supervisor import Child, GaveUp, Supervisor

    try:
        Supervisor([Child.csss("worker", queue, name=f"worker-{queue}") for queue in wanted]).run()
    except GaveUp as error:
        raise click.ClickException(str(error)) from error


@main.command()
@click.option("--keep", is_flag=True, help="Continue with the data of the last demo.")
@click.option("--port", type=int, help="Port (default: CSSS_PORT, else 8000).")
def demo(keep: bool, port: int | None) -> None:
    """Run everything on this machine with demo accounts and synthetic scans."""
    from csss.demo.run import run

    settings = load_settings()
    run(settings, port=port or settings.port, keep=keep)


@main.command()
def check() -> None:
    """Check the installation and say what is missing and how to fix it."""
    from csss.installation_check import checks

    problems = 0
    for result in checks(load_settings()):
        mark = click.style("ok  ", fg="green") if result.ok else click.style("FAIL", fg="red", bold=True)
        if result.note:
            mark = click.style("note", fg="yellow")
        click.echo(f"{mark}  {result.name}: {result.text}")
        if not result.ok:
            problems += 1
            click.echo(f"      {result.mend}")
    if problems:
        click.echo(f"\n{problems} {'thing needs' if problems == 1 else 'things need'} fixing.")
        sys.exit(1)
    click.echo("\nEverything is in place.")


@main.command()
def migrate() -> None:
    """Make the database, or bring it up to date."""
    from flask_migrate import upgrade

    from csss import create_app
    from csss.database import db, keep_private
    from csss.keys.start import check_keys, refuse_wrong_keys

    refuse_wrong_keys(load_settings())
    # The database contains patients' records: create files readable only by their owner.
    mask = os.umask(0o077)
    try:
        app = create_app(pages=False)
        settings: Settings = app.config["CSSS"]
        settings.instance_folder.mkdir(parents=True, exist_ok=True)
        with app.app_context():
            upgrade()
            file = db.engine.url.database if db.engine.dialect.name == "sqlite" else None
            opened_up = keep_private(Path(file)) if file else []
            check_keys()
    finally:
        os.umask(mask)
    click.echo("The database is up to date.")
    for path in opened_up:
        click.echo(f"{path} could be read by others; now only by its owner.")


@main.command("create-admin")
@click.option("--email", prompt="E-mail address", help="E-mail address, which is also the sign-in name.")
@click.option("--name", prompt="Name", help="Name, as it will appear on reports.")
@click.option(
    "--password-file",
    type=click.Path(path_type=Path, allow_dash=True, exists=True, dir_okay=False),
    help="Read the password from the first line of this file (- for standard input) instead of asking.",
)
def create_admin(email: str, name: str, password_file: Path | None) -> None:
    """Make an administrator; prints ten recovery codes, once."""
    from csss.audit.record import coming_from
    from csss.auth import accounts, second_factor
    from csss.database import transaction
    from csss.errors import Invalid
    from csss.keys.start import open_app

    if password_file is None:
        password = click.prompt("Password", hide_input=True, confirmation_prompt=True)
    else:
        with click.open_file(str(password_file)) as file:
            password = file.readline().rstrip("\r\n")
    with open_app().app_context(), coming_from("command line"):
        try:
            with transaction():
                user = accounts.create_admin(email=email, name=name, password=password)
                codes = second_factor.new_recovery_codes(user)
        except Invalid as error:
            raise click.ClickException(str(error)) from error
    click.echo("The administrator can sign in now. Recovery codes, each works once; keep them on paper:")
    for code in codes:
        click.echo(f"  {code}")


@main.command()
def diagram() -> None:
    """Print the life of a scan as a Mermaid diagram."""
    from csss.scans.states import diagram as drawn

    click.echo(drawn())


@main.command()
def settings() -> None:
    """Print the table of all settings, with their defaults."""
    from csss.config import settings_table

    click.echo(settings_table())
