"""`csss recalibrate`: fit the classifier to the hospital's own verified readings."""

import csv
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from csss import csv_files

if TYPE_CHECKING:
    from csss.inference.labels import ModelInfo
    from csss.recalibration.readings import VerifiedReading
    from csss.recalibration.services import NewVersion


@click.command()
@click.option(
    "--right",
    "percent",
    type=click.FloatRange(50, 99.9),
    help="How many in 100 accepted answers are to be right; default: as the card of the version says.",
)
@click.option(
    "--classes",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="CSV with the columns scan and class: the classes of scans whose reading names none.",
)
@click.option(
    "--unnamed",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Only write such a CSV, of the verified scans whose reading names no class, to be filled in by a doctor.",
)
def recalibrate(percent: float | None, classes: Path | None, unnamed: Path | None) -> None:
    """Fit temperature, class biases and threshold of the classifier in use to readings that doctors verified.

    Makes a new version beside the old one. An administrator puts it in use, or goes back, on the page "The classifier".
    """
    from csss.audit.record import coming_from
    from csss.database import transaction
    from csss.errors import StateConflict
    from csss.inference.labels import read_info
    from csss.keys.start import open_app
    from csss.recalibration import services
    from csss.recalibration.fit import NoThreshold, TooFewReadings
    from csss.recalibration.folders import make_folder
    from csss.recalibration.in_use import folder_in_use
    from csss.recalibration.readings import verified_readings

    with open_app().app_context() as context, coming_from("command line"):
        folder = folder_in_use()
        info = read_info(folder)
        named = _read_list(classes, info, verified_readings(info)) if classes else {}
        if unnamed is not None:
            readings = [each for each in verified_readings(info, named) if len(each.possible) != 1]
            _write_list(unnamed, readings)
            click.echo(
                f"{unnamed}: {len(readings)} scans. Fill in the column class, then csss recalibrate --classes."
            )
            return
        try:
            new = services.fit_version(folder, target=None if percent is None else percent / 100, named=named)
        except (TooFewReadings, NoThreshold) as error:
            raise click.ClickException(str(error)) from error
        settings = context.app.config["CSSS"]
        try:
            with transaction():
                services.keep(new)  # first: it takes the name, and of two commands at once only one gets it
                made = make_folder(settings.instance_folder, new.labels, new.metrics, new.card, folder)
        except StateConflict as error:
            raise click.ClickException(str(error)) from error
    _tell(new, made, overruled=settings.threshold)


def _write_list(file: Path, readings: "list[VerifiedReading]") -> None:
    """A new file: what a doctor has filled in is not overwritten."""
    try:
        with file.open("x", encoding="utf-8", newline="") as target:
            writer = csv.writer(target)
            writer.writerow(("scan", "kind", "answer", "class"))
            writer.writerows((each.scan_id, each.kind.value, each.answer, "") for each in readings)
    except FileExistsError as error:
        raise click.ClickException(
            f"{file} is there already, and may hold classes that a doctor has named. Choose another name."
        ) from error


def _read_list(file: Path, info: "ModelInfo", readings: "list[VerifiedReading]") -> dict[uuid.UUID, str]:
    from csss.recalibration.readings import class_named, classes_of

    kinds = {each.scan_id: each.kind for each in readings}
    named: dict[uuid.UUID, str] = {}
    for where, scan, text in _lines(file):
        try:
            scan_id = uuid.UUID(scan)
        except ValueError:
            raise click.ClickException(f"{where}: {csv_files.shown(scan)!r} is no scan.") from None
        if scan_id not in kinds:
            raise click.ClickException(
                f"{where}: {info.version} has not read this scan, or no doctor has verified it."
            )
        label = class_named(info, text)
        if label not in classes_of(info, kinds[scan_id]):
            known = ", ".join(sorted(classes_of(info, kinds[scan_id])))
            raise click.ClickException(
                f"{where}: {csv_files.shown(text)!r} is no class of this kind of scan ({known})."
            )
        if named.setdefault(scan_id, label) != label:
            raise click.ClickException(
                f"{where}: an earlier line names another class for this scan. Keep the right one."
            )
    return named


def _lines(file: Path) -> Iterator[tuple[str, str, str]]:
    """For each line that names a class: where it stands, the scan, and what is written."""
    try:
        rows = csv_files.rows(csv_files.read(file))
    except csv_files.NoCSV as error:
        raise click.ClickException(f"{file}: {error}") from error
    head = [cell.strip().lower() for cell in rows[0]] if rows else []
    if not {"scan", "class"} <= set(head):
        raise click.ClickException(f"{file} needs the columns scan and class.")
    for number, row in enumerate(rows[1:], start=2):
        line = dict(zip(head, (cell.strip() for cell in row), strict=False))
        if line.get("class"):
            yield f"{file}, line {number}", line.get("scan", ""), line["class"]


def _tell(new: "NewVersion", folder: Path, *, overruled: float | None) -> None:
    found = new.metrics["hospital"]
    click.echo(f"{new.labels['version']} has been made in {folder}. It is not in use yet.")
    click.echo(
        f"Fitted to {found['fitting']['used']} readings of {found['fitting']['patients']} patients; judged by "
        f"{found['held_back']['used']} readings of {found['held_back']['patients']} others:"
    )
    for name, words in (
        ("right", "right"),
        ("calibration_error", "calibration error"),
        ("accepted", "accepted"),
        ("right_accepted", "right among these"),
    ):
        told = [
            f"{side} {each['value']:6.1%} ({each['interval'][0]:.1%} to {each['interval'][1]:.1%})"
            for side in ("before", "after")
            for each in [found[side][name]]
        ]
        click.echo(f"  {words:<18} {told[0]:<34} {told[1]}")
    click.echo(
        f"So few readings show a calibration error of {found['after']['calibration_error_by_chance']:.1%} by chance alone. "
        f"By the log loss the new version is {found['verdict']}."
    )
    if overruled is not None:
        click.echo(f"Note: CSSS_THRESHOLD={overruled} holds for every version, also for this one.")
    click.echo(
        "An administrator compares and switches on the page The classifier, Versions for this hospital."
    )
