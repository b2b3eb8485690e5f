"""What tests of validation studies look at: events, sheets, and everything that lies in a folder."""

import csv
import io
from pathlib import Path

from sqlalchemy import select

from csss.audit.models import AuditEvent
from csss.database import db


def events(action: str) -> list[AuditEvent]:
    found = db.session.scalars(select(AuditEvent).where(AuditEvent.action == action)).all()
    db.session.rollback()
    return list(found)


def sheet_of(export: Path, reader: str = "R1") -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO((export / f"sheet-{reader}.csv").read_text("utf-8-sig"))))


def everything_in(folder: Path) -> bytes:
    return b"\n".join(
        str(path.relative_to(folder)).encode() + b"\n" + path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    )
