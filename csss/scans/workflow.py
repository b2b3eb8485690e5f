"""Change a scan's status. No other code writes it, and the database refuses steps that are not in `NEXT`."""

import uuid

from flask_babel.speaklater import LazyString
from sqlalchemy import select, update

from csss.audit.record import origin, record
from csss.clock import now
from csss.database import changed_rows, db
from csss.errors import NotFound, StateConflict
from csss.i18n import _, _l
from csss.people.models import User
from csss.scans.models import Scan, ScanEvent
from csss.scans.states import NEXT, Status

STATE_SENTENCE: dict[Status, LazyString] = {
    Status.PENDING_AI: _l("The scan waits for the analysis."),
    Status.AI_ANALYZED: _l("The scan has been analysed and waits for a doctor."),
    Status.DOCTOR_VERIFIED: _l("A doctor has verified the scan already; it waits for the pharmacist."),
    Status.PHARMACIST_COMPLETED: _l("The pharmacist has completed the scan already; it waits for approval."),
    Status.REPORT_READY: _l("The report has been approved already."),
}


def lock(scan_id: uuid.UUID) -> Scan:
    """Lock the scan until the transaction ends and return its current state. Raises NotFound.

    SQLite has no row lock; there the whole transaction holds the write lock.
    """
    scan = db.session.scalars(
        select(Scan)
        .where(Scan.id == scan_id)
        .with_for_update(of=Scan)
        .execution_options(populate_existing=True)
    ).one_or_none()
    if scan is None:
        raise NotFound(_("There is no such scan."))
    return scan


def begin(scan: Scan, *, by: User) -> None:
    """Record the first step of a scan that was just uploaded."""
    db.session.add(scan)
    db.session.flush()
    _keep_step(scan, None, Status.PENDING_AI, by)


def move(scan: Scan, to: Status, *, by: User) -> None:
    """Move one step forward with a compare-and-set. Raises StateConflict with the current state.

    The caller has locked the scan and checked who may do it and when; this function checks the order again.
    """
    was = scan.status
    if scan.closure is not None:
        raise StateConflict(_("The scan has been closed."))
    if NEXT[was] is not to:
        raise StateConflict(str(STATE_SENTENCE[was]))
    taken = changed_rows(
        update(Scan)
        .where(Scan.id == scan.id, Scan.status == was)
        .values(status=to, status_since=now())
        .execution_options(synchronize_session=False)
    )
    if taken != 1:
        db.session.refresh(scan)
        raise StateConflict(str(STATE_SENTENCE[scan.status]))
    _keep_step(scan, was, to, by)
    db.session.flush()
    db.session.refresh(scan)


def _keep_step(scan: Scan, was: Status | None, became: Status, by: User) -> None:
    db.session.add(ScanEvent(scan_id=scan.id, was=was, became=became, actor_id=by.id, origin=origin()))
    record("scan.status_changed", scan, by=by, was=was.value if was else None, became=became.value)
