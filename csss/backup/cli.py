"""`csss backup` and `csss restore`: make and restore backups."""

import os
import signal
import sys
from pathlib import Path

import click


@click.command()
@click.argument("target")
@click.option(
    "--with-secret-key",
    is_flag=True,
    help="Include the secret key. Anybody who has the backup can then read everything.",
)
def backup(target: str, with_secret_key: bool) -> None:
    """Copy database and files to TARGET while the system runs.

    TARGET is a folder, a file that ends with .tar.gz, .tgz or .tar, or - for standard output.
    """
    from csss.audit.record import coming_from
    from csss.backup.archive import BackupError
    from csss.backup.make import make
    from csss.keys.start import open_app

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # exit cleanly, so that no partial backup is left
    with open_app().app_context(), coming_from("command line"):
        try:
            made = make(target, with_secret_key=with_secret_key)
        except BackupError as error:
            raise click.ClickException(str(error)) from error
    click.echo(
        f"{made.rows} rows of {made.tables} tables and {made.files} files, {made.size / 1e6:.1f} MB.",
        err=True,
    )
    for key in made.missing[:20]:
        click.echo(
            f"{click.style('FAIL', fg='red', bold=True)}  {key} is named in the database and not there.",
            err=True,
        )
    if made.left_out:
        click.echo(
            f"Stored files left out, because no row of this moment names them: {made.left_out}. They came while the "
            "backup was made, or `csss storage check` tells of them.",
            err=True,
        )
    if not with_secret_key:
        click.echo(
            "The secret key is not in it. Keep it elsewhere: without it authenticator apps and pass phrases "
            "cannot be read, and the seals of the audit log cannot be checked.",
            err=True,
        )
    if made.missing:
        sys.exit(1)


@click.command()
@click.argument("source", type=click.Path(path_type=Path, exists=True, allow_dash=True))
@click.option("--force", is_flag=True, help="Replace the database, and put stored files aside.")
@click.option(
    "--other-key",
    is_flag=True,
    help="Continue although the secret key is not the backup's; says what is lost.",
)
def restore(source: Path, force: bool, other_key: bool) -> None:
    """Restore the backup SOURCE (- for standard input). Stop `csss web` and `csss worker` first.

    Everything in it is checked before anything is changed.
    """
    from csss import create_app
    from csss.audit.record import coming_from
    from csss.backup import restore as restoring
    from csss.backup.archive import BackupError
    from csss.config import load_settings

    settings = load_settings()
    os.umask(0o077)  # the database contains patients' records
    settings.instance_folder.mkdir(parents=True, exist_ok=True)
    try:
        with restoring.opened(source, settings, click.echo) as opened:
            restoring.place_secret_key(opened.folder, settings, force=force, tell=click.echo)
            app = create_app(settings, pages=False)
            with app.app_context(), coming_from("command line"):
                problems = restoring.restore(app, opened, force=force, other_key=other_key, tell=click.echo)
    except BackupError as error:
        raise click.ClickException(str(error)) from error
    for problem in problems[:20]:
        click.echo(f"{click.style('FAIL', fg='red', bold=True)}  {problem}")
    if problems:
        sys.exit(1)
    click.echo("The backup has been restored. Start `csss worker` and `csss web` again.")
