"""`csss erase-patient` and `csss finish-erasures`, for the deployer."""

import secrets

import click


@click.command("erase-patient")
@click.argument("mrn")
@click.option(
    "--reason", prompt="Reason (it is kept; do not name the person)", help="Reason; it is stored permanently."
)
@click.option("--yes", is_flag=True, help="Do not ask for the MRN once more.")
def erase_patient(mrn: str, reason: str, yes: bool) -> None:
    """Erase the patient with this MRN: rows, files, and the traces in SQLite's file. It cannot be undone."""
    from csss.audit.record import coming_from
    from csss.auth.secrets import hash_password
    from csss.database import transaction
    from csss.erasing import services
    from csss.errors import Refused
    from csss.keys.start import open_app

    if (
        not yes
        and click.prompt("Type the MRN once more to erase this patient for good").strip() != mrn.strip()
    ):
        raise click.ClickException("The two MRNs differ. Nothing has been erased.")
    with open_app().app_context(), coming_from("command line"):
        password_hash = hash_password(secrets.token_urlsafe(32))
        try:
            with transaction():
                counts = services.erase_as_deployer(mrn, reason=reason, password_hash=password_hash).counts
        except Refused as refused:
            raise click.ClickException(str(refused)) from refused
        told = ", ".join(f"{number} {name.replace('_', ' ')}" for name, number in sorted(counts.items()))
        click.echo(f"The patient has been erased ({told or 'nothing was kept but the account'}).")
        _finish()


@click.command("finish-erasures")
def finish_erasures() -> None:
    """Remove what earlier erasures left: files, and traces in SQLite's file. Safe while the system runs."""
    from csss.keys.start import open_app

    with open_app().app_context():
        _finish()


def _finish() -> None:
    from csss.erasing import leftovers

    while leftovers.sweep():
        pass
    if owed := leftovers.owed():
        raise click.ClickException(
            f"{owed} files could not be removed yet; see the log. The workers try again."
        )
    click.echo("All files of erased patients are gone.")
    if not leftovers.in_one_file():
        click.echo(
            "PostgreSQL drops old versions of rows with its next vacuum. Its WAL, backups and sent mail are out of reach."
        )
        return
    if not leftovers.scrub():
        raise click.ClickException(
            "The database's file could not be rewritten while others used it. "
            "Run csss finish-erasures once more, best while the system is stopped."
        )
    click.echo("No trace is left in the database's file. Backups and sent mail are out of reach.")
