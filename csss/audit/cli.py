"""`csss audit`: check that the log is complete and unchanged, and export it."""

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from csss.audit.anchors import Anchor

_SHOWN = 20


@click.group()
def audit() -> None:
    """Check and export the audit log."""


@audit.command()
@click.option(
    "--key-file",
    "key_files",
    multiple=True,
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="A file with an earlier secret key; may be given several times.",
)
@click.option(
    "--expect",
    multiple=True,
    metavar="NUMBER:HASH",
    help="A head that was written down elsewhere (as `csss audit verify` and the log of the workers show it).",
)
@click.option(
    "--anchors",
    "anchor_files",
    multiple=True,
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Another file of anchors, for instance of another machine.",
)
def verify(key_files: tuple[Path, ...], expect: tuple[str, ...], anchor_files: tuple[Path, ...]) -> None:
    """Check the whole chain and report what was changed, removed, inserted or moved. Exit code 1 if anything was."""
    from csss.audit import anchors, chain
    from csss.audit.record import coming_from, record
    from csss.audit.verify import verify as look
    from csss.database import transaction
    from csss.keys.start import open_app

    with open_app().app_context(), coming_from("command line"):
        keys = [chain.current_key(), *(chain.Key(file.read_text("utf-8").strip()) for file in key_files)]
        kept = [each for file in (anchors.path(), *anchor_files) for each in anchors.kept(file)]
        verdict = look(keys, [*kept, *map(_expected, expect)])
        for problem in verdict.problems[:_SHOWN]:
            click.echo(f"{click.style('FAIL', fg='red', bold=True)}  {problem}")
        if len(verdict.problems) > _SHOWN:
            click.echo(f"      … and {len(verdict.problems) - _SHOWN} more.")
        with transaction():
            record(
                "audit.verified",
                number=verdict.head.number,
                hash=verdict.head.hash,
                problems=len(verdict.problems),
            )
        if verdict.intact:
            anchors.keep(verdict.head)
    if not verdict.intact:
        sys.exit(1)
    click.echo(
        f"All {verdict.events} events are as they were sealed, and {verdict.anchors} heads stored outside the "
        f"database match. The newest is {verdict.head.number}:{verdict.head.hash}"
    )


def _expected(text: str) -> "Anchor":
    from csss.audit.anchors import Anchor

    number, _, digest = text.partition(":")
    if not number.isdigit() or len(digest) != 64:
        raise click.BadParameter("it must look like 812:9f86d0… (64 characters)", param_hint="--expect")
    return Anchor(int(number), digest.lower(), datetime.now(UTC))


@audit.command()
@click.option("--since", type=click.DateTime(["%Y-%m-%d"]), help="Only events of this day and later (UTC).")
@click.option("--until", type=click.DateTime(["%Y-%m-%d"]), help="Only events before this day (UTC).")
def export(since: datetime | None, until: datetime | None) -> None:
    """Write the log to standard output, oldest first: one JSON object a line, with number, hash and seal."""
    from csss.audit.queries import sealed
    from csss.audit.record import coming_from, record
    from csss.database import transaction
    from csss.keys.start import open_app

    first = since.replace(tzinfo=UTC) if since else None
    last = until.replace(tzinfo=UTC) if until else None
    with open_app().app_context(), coming_from("command line"):
        with transaction():
            record(
                "audit.exported",
                since=first.isoformat() if first else None,
                until=last.isoformat() if last else None,
            )
        for line in sealed(since=first, until=last):
            click.echo(json.dumps(line, ensure_ascii=False, sort_keys=True))


@audit.command()
def seal() -> None:
    """Seal the events that an earlier release wrote while this one was installed. The log records which."""
    from csss.audit.record import coming_from, seal_rest
    from csss.database import transaction
    from csss.keys.start import open_app

    with open_app().app_context(), coming_from("command line"), transaction():
        ids = seal_rest()
    if not ids:
        click.echo("Every event has its seal.")
    else:
        click.echo(f"{len(ids)} events were sealed now: ids {', '.join(map(str, ids[:_SHOWN]))}")
