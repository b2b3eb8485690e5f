"""Look up what the pharmacist has to act on."""

import uuid
from collections.abc import Sequence
from typing import cast

from sqlalchemy import func, select

from csss.database import db
from csss.paging import ListPage, place
from csss.prescriptions.models import Prescription
from csss.scans import policies, queries
from csss.scans.list_rows import ListedScan
from csss.scans.models import Scan
from csss.scans.states import HoldFor, Status


def queue(*, search: str = "", sort: str = "priority", page: int = 1) -> ListPage[ListedScan]:
    """Scans that wait for a prescription, and those held for its correction."""
    return queries.queue(
        [Status.DOCTOR_VERIFIED], held=HoldFor.PHARMACIST, search=search, sort=sort, page=page
    )


def next_to_complete(after: uuid.UUID) -> uuid.UUID | None:
    """The scan of the queue's first page that waits longest by its order and can be completed; not `after`."""
    for scan in queue().rows:
        # A row has all that the policies look at.
        if scan.id != after and policies.may(policies.check_can_complete, cast("Scan", scan)):
            return scan.id
    return None


def completed(*, page: int = 1) -> ListPage[Prescription]:
    """The newest version of every prescription, newest first. A page past the end gives the last page."""
    newest = select(Prescription.scan_id, func.max(Prescription.version).label("version")).group_by(
        Prescription.scan_id
    )
    counts = newest.subquery()
    total = db.session.scalar(select(func.count()).select_from(counts)) or 0
    page, skip = place(page, total, queries.PAGE_SIZE)
    query = (
        select(Prescription)
        .join(
            counts,
            (counts.c.scan_id == Prescription.scan_id) & (counts.c.version == Prescription.version),
        )
        .order_by(Prescription.created_at.desc(), Prescription.id)
        .limit(queries.PAGE_SIZE)
        .offset(skip)
    )
    return ListPage(db.session.scalars(query).all(), page, total, queries.PAGE_SIZE)


def scans_of(prescriptions: Sequence[Prescription]) -> dict[uuid.UUID, Scan]:
    """Their scans, by id."""
    ids = [each.scan_id for each in prescriptions]
    return {scan.id: scan for scan in db.session.scalars(select(Scan).where(Scan.id.in_(ids)))}
