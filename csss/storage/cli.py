"""`csss storage`: make keys, re-encrypt files, and check that every stored file exists and opens."""

import sys
from datetime import UTC, datetime

import click

from csss.config import load_settings
from csss.storage.keys import new_key


@click.group()
def storage() -> None:
    """Manage stored scans and reports: their encryption and completeness."""


@storage.command("new-key")
@click.option("--id", "key_id", help="Id of the key (default: the day, such as k20261126).")
def make_key(key_id: str | None) -> None:
    """Print a new key for CSSS_STORAGE_KEYS. Keep a copy elsewhere: without it no file can be opened."""
    try:
        click.echo(new_key(key_id or f"k{datetime.now(UTC):%Y%m%d}"))
    except ValueError as error:
        raise click.ClickException(f"This id cannot be used: {error}.") from error


@storage.command()
def rotate() -> None:
    """Encrypt every stored file with the first key of CSSS_STORAGE_KEYS.

    Safe while the system runs. It can be interrupted and started again: files that are done are skipped.
    """
    from csss.keys.start import open_app
    from csss.storage import unfinished_uploads
    from csss.storage.encrypted import EncryptedStorage
    from csss.storage.files import CannotOpen
    from csss.study.study_folder import all_studies

    settings = load_settings()
    app = open_app(settings)
    kept = app.extensions["csss_storage"]
    if not isinstance(kept, EncryptedStorage):
        raise click.ClickException("CSSS_STORAGE_KEYS is empty: there is no key to encrypt with.")
    first = settings.storage_key_ring[0].id
    done = left = 0
    failed: list[str] = []
    for key in kept.stored():
        try:
            changed = kept.rotate(key)
        except (CannotOpen, OSError) as error:
            failed.append(str(error))
            continue
        done, left = done + changed, left + (not changed)
        if changed and done % 500 == 0:
            click.echo(f"{done} files encrypted with the key {first} …")
    click.echo(f"{done} files encrypted with the key {first}; {left} were so already.")
    for study in all_studies(settings):
        try:
            study.reseal()
        except (CannotOpen, OSError) as error:
            failed.append(f"The key of the study {study.name}: {error}")
    _tell(failed)
    with app.app_context():
        if older := unfinished_uploads.not_with(first):
            click.echo(
                f"{older} unfinished uploads still need an older key: keep it in CSSS_STORAGE_KEYS for a day more."
            )


@storage.command()
@click.option(
    "--remove-orphans", is_flag=True, help="Delete the files that nothing in the database names (see below)."
)
def check(remove_orphans: bool) -> None:
    """Check that every file named in the database exists and every file opens, and list files that the database
    does not name.

    Such orphans are left by processes that were killed between storing a file and its row. After restoring an older
    backup of the database they may be newer scans instead: check before you delete.
    """
    from csss.keys.start import open_app
    from csss.reports import named_files

    app = open_app()
    with app.app_context():
        looked, failed = 0, []
        for kept in named_files.named():
            looked += 1
            if problem := named_files.problem(kept):
                failed.append(problem)
        sound = looked - len(failed)
        failed += named_files.unnamed_problems()
        orphans = named_files.orphans()
        click.echo(f"{looked} files are named by the database; {sound} are there and open.")
        for key in orphans:
            click.echo(f"Nothing in the database names {key}.")
            if remove_orphans:
                app.extensions["csss_storage"].delete(key)
        if orphans:
            click.echo(
                f"{len(orphans)} orphans {'have been deleted' if remove_orphans else 'were left alone'}."
            )
    _tell(failed)


def _tell(failed: list[str]) -> None:
    for sentence in failed:
        click.echo(click.style("FAIL  ", fg="red", bold=True) + sentence)
    if failed:
        click.echo(f"{len(failed)} {'file needs' if len(failed) == 1 else 'files need'} attention.")
        sys.exit(1)
