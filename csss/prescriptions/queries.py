"""What the pharmacist has to act on."""

import uuid
from collections.abc import Sequence

from sqlalchemy import func, select

from csss.database import db
from csss.scans import queries
from csss.scans.models import Review, Scan
from csss.scans.queries import Page
from csss.scans.states import HoldFor, Status


def queue(*, search: str = "", sort: str = "priority", page: int = 1) -> Page:
    """Scans that wait for a prescription, and those held for a correction of one."""
    found = queries.queue(
        [Status.DOCTOR_VERIFIED], held_for=HoldFor.PHARMACIST, search=search, sort=sort, page=page
    )
    # Somebody else may have emptied the last page in the meantime.
    return found if page <= found.pages else queue(search=search, sort=sort, page=found.pages)


def diagnoses(scans: Sequence[Scan]) -> dict[uuid.UUID, str]:
    """The diagnosis that counts of each of these scans, in one query; blank when the doctor wrote none."""
    newest = (
        select(Review.scan_id, func.max(Review.version).label("version"))
        .where(Review.scan_id.in_([scan.id for scan in scans]))
        .group_by(Review.scan_id)
        .subquery()
    )
    rows = db.session.execute(
        select(Review.scan_id, Review.diagnosis).join(
            newest, (newest.c.scan_id == Review.scan_id) & (newest.c.version == Review.version)
        )
    )
    return {scan_id: diagnosis for scan_id, diagnosis in rows}
