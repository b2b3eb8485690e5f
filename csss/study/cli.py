"""`csss study`: plan, draw, export, import, report and show a validation study."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from csss.config import Settings
    from csss.study.study_folder import StudyFolder

_SHARE = click.FloatRange(0, 1, min_open=True, max_open=True)
_DAY = click.DateTime(["%Y-%m-%d"])


@click.group()
def study() -> None:
    """Validate the classifier with the hospital's own scans and readers."""


@study.command()
@click.option("--sensitivity", type=_SHARE, default=0.9, show_default=True, help="What you expect.")
@click.option("--specificity", type=_SHARE, default=0.9, show_default=True, help="What you expect.")
@click.option(
    "--width", type=_SHARE, default=0.1, show_default=True, help="Of the 95 % intervals, end to end."
)
@click.option("--prevalence", type=_SHARE, required=True, help="Share of positive scans that you expect.")
@click.option(
    "--assurance",
    type=_SHARE,
    default=0.9,
    show_default=True,
    help="Chance that the sample holds enough of both.",
)
def plan(sensitivity: float, specificity: float, width: float, prevalence: float, assurance: float) -> None:
    """How many scans a study needs for intervals no wider than WIDTH (Wilson's score interval)."""
    from csss.study.sample_size import TooLarge, sample_size

    try:
        found = sample_size(
            sensitivity=sensitivity,
            specificity=specificity,
            width=width,
            prevalence=prevalence,
            assurance=assurance,
        )
    except TooLarge as error:
        raise click.ClickException(str(error)) from error
    click.echo(
        f"{found.positives} positive scans: the interval of a sensitivity of {sensitivity:.0%} is then at most "
        f"{width:.2f} wide."
    )
    click.echo(
        f"{found.negatives} negative scans: the same for a specificity of {specificity:.0%}.\n"
        f"{found.total} scans in all: where {prevalence:.1%} are positive, such a sample holds enough of both "
        f"in {assurance:.0%} of all draws."
    )
    click.echo(
        "Add what you expect to lose: scans that nobody can read, or on which the readers do not agree."
    )


@study.command()
@click.argument("name")
@click.option(
    "--target",
    "targets",
    multiple=True,
    required=True,
    metavar="CLASS",
    help="A class that counts as positive.",
)
@click.option("--since", type=_DAY, required=True, help="First day of the span in which the scans were sent.")
@click.option("--until", type=_DAY, required=True, help="Last day of the span.")
@click.option("--size", type=click.IntRange(1), required=True, help="How many scans (see csss study plan).")
@click.option(
    "--kind",
    "kinds",
    multiple=True,
    type=click.Choice(["chest_xray", "cardiac_mri"]),
    help="Kind of scan (default: both).",
)
@click.option(
    "--sample",
    "sampling",
    type=click.Choice(["random", "stratified", "consecutive"]),
    default="random",
    show_default=True,
    help="stratified: with the make-up of the hospital by kind, sex and age.",
)
@click.option("--seed", type=click.IntRange(0), help="Of the draw (default: one by chance; it is kept).")
@click.option("--all-scans", is_flag=True, help="Several scans of one patient may be drawn.")
@click.option(
    "--model", "version", default="", help="Version of the classifier; needed where the span knows several."
)
@click.option(
    "--reader", "readers", multiple=True, default=("R1", "R2"), show_default=True, help="Makes the reference."
)
@click.option(
    "--adjudicator", default="", help="Decides where the readers differ (default: the majority does)."
)
@click.option("--observer", "observers", multiple=True, help="Is compared with the reference.")
@click.option("--question", default="", help="In one sentence (default: made of the targets).")
@click.option(
    "--width", type=_SHARE, help="The widest interval of sensitivity and specificity that is wanted."
)
@click.option(
    "--prevalence", type=_SHARE, help="Share of positives where the classifier is to be used, if known."
)
def draw(
    name: str,
    *,
    targets: tuple[str, ...],
    since: datetime,
    until: datetime,
    size: int,
    kinds: tuple[str, ...],
    sampling: str,
    seed: int | None,
    all_scans: bool,
    version: str,
    readers: tuple[str, ...],
    adjudicator: str,
    observers: tuple[str, ...],
    question: str,
    width: float | None,
    prevalence: float | None,
) -> None:
    """Draw a sample, and write down what is asked of it before anybody looks at an answer."""
    from csss.scans.states import ScanKind
    from csss.study import drawing
    from csss.study.protocol import SampleKind

    with _study(name) as (kept, settings):
        protocol = drawing.draw(
            kept,
            drawing.Wanted(
                question=question.strip(),
                target=targets,
                kinds=tuple(map(ScanKind, kinds)) or tuple(ScanKind),
                since=since.date(),
                until=until.date(),
                model_version=version,
                sampling=SampleKind(sampling),
                seed=secrets.randbelow(2**32) if seed is None else seed,
                size=size,
                one_a_patient=not all_scans,
                readers=readers,
                adjudicator=adjudicator,
                observers=observers,
                wanted_width=width,
                prevalence=prevalence,
            ),
            settings,
        )
        click.echo(
            f"{protocol.flow.drawn} of {protocol.flow.eligible} scans have been drawn with the seed {protocol.seed}. "
            f"The protocol is {kept.path / 'study.json'}; its SHA-256 stands in the audit log."
        )
        if not kept.key_is_encrypted:
            click.echo("CSSS_STORAGE_KEYS is empty: the key of the study is not encrypted.", err=True)


@study.command()
@click.argument("name")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--with-sex", is_flag=True, help="Let the readers know the patients' sex.")
def export(name: str, folder: Path, with_sex: bool) -> None:
    """Write pictures and reading sheets to FOLDER, without names and without the classifier's answers."""
    from csss.study import exporting

    with _study(name) as (kept, _settings):
        number = exporting.export(kept, folder, with_sex=with_sex)
        click.echo(f"{number} scans have been exported to {folder.resolve()}. The key stays in {kept.path}.")
        click.echo("Look for names that were burnt into a picture before you pass the folder on.")


@study.command("import")
@click.argument("name")
@click.argument("sheet", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--reader", required=True, help="Whose sheet it is.")
@click.option("--with-classifier", "aided", is_flag=True, help="Read with the classifier's answer in view.")
def read_sheet(name: str, sheet: Path, reader: str, aided: bool) -> None:
    """Take over a reader's sheet. Earlier versions are kept; the newest counts."""
    from csss import csv_files
    from csss.study import reading_sheets

    with _study(name) as (kept, _settings):
        version, found = reading_sheets.read_in(kept, csv_files.read(sheet), reader, aided=aided)
        click.echo(
            f"{len(found.classes)} readings of {reader} have been taken over as version {version.version}."
        )
        if found.blank:
            click.echo(f"{found.blank} lines are blank: not read yet.")
        if found.withdrawn:
            click.echo(f"{found.withdrawn} lines are of patients who have been erased, and were left out.")


@study.command()
@click.argument("name")
@click.option(
    "--to",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder (default: the study's own).",
)
@click.option("--prevalence", type=_SHARE, help="Share of positives where the classifier is to be used.")
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON, and write no document.")
def report(name: str, folder: Path | None, prevalence: float | None, as_json: bool) -> None:
    """Make the report: report.html, report.pdf and figures.json."""
    from csss.audit.record import About, record
    from csss.database import transaction
    from csss.study import report_data

    with _study(name) as (kept, settings):
        gathered = report_data.gather(kept, settings, prevalence=prevalence)
        with transaction():
            record("study.reported", About("study", name), scans=gathered.with_reference)
        if as_json:
            click.echo(gathered.to_json())
            return
        from csss.study.document import write

        for path in write(gathered, folder or kept.path):
            click.echo(str(path))


@study.command()
@click.argument("name")
def show(name: str) -> None:
    """How far the study is, and which numbers were withdrawn because their patients have been erased."""
    from csss.study.erased import take_out
    from csss.study.reference import differing

    with _study(name) as (kept, _settings):
        kept.check_there()
        take_out(kept)
        protocol = kept.protocol()
        click.echo(protocol.question)
        click.echo(
            f"Drawn {protocol.drawn_at:%Y-%m-%d}: {protocol.flow.drawn} scans read by {protocol.model_version}."
        )
        for exported in kept.exports():
            click.echo(f"Exported {exported.at:%Y-%m-%d}: {exported.scans} scans to {exported.to}")
        for each in kept.all_readings():
            how = " with the classifier" if each.aided else ""
            click.echo(
                f"Reader {each.reader}{how}, version {each.version}, {each.read_in_at:%Y-%m-%d}: "
                f"{len(each.classes)} readings"
            )
        if protocol.adjudicator:
            sheets = {name: each.classes for name, each in kept.newest_readings(aided=False).items()}
            numbers = ", ".join(differing(protocol, sheets)) or "none"
            click.echo(f"For the adjudicator {protocol.adjudicator}, the readers differ on: {numbers}")
        gone = kept.withdrawn()
        click.echo(f"Withdrawn: {', '.join(sorted(gone)) or 'none'}")
        for sentence in kept.left_pictures():
            click.echo(f"Of an erased patient: {sentence}", err=True)


@contextmanager
def _study(name: str) -> "Iterator[tuple[StudyFolder, Settings]]":
    """The study of this name, within the application; what is refused is told as a sentence."""
    from csss.audit.record import coming_from
    from csss.errors import Refused
    from csss.keys.start import open_app
    from csss.study.protocol import StudyRefused
    from csss.study.study_folder import StudyFolder

    app = open_app()
    settings: Settings = app.config["CSSS"]
    with app.app_context(), coming_from("command line"):
        try:
            yield StudyFolder(settings, name), settings
        except (Refused, StudyRefused) as refused:
            raise click.ClickException(str(refused)) from refused
