"""Let a patient withdraw a scan until a doctor has opened it.

Both steps lock the scan first, so the database decides which of the two was first. A withdrawn scan is closed: it leaves
every queue, its status does not move, and its picture is kept and erased like any other (`csss.erasing.retention`). The
functions belong inside transaction().
"""

import uuid

from csss.audit.record import record
from csss.database import db
from csss.dates import when
from csss.errors import StateConflict
from csss.i18n import _
from csss.people.models import User
from csss.scans import claims, review_drafts, workflow
from csss.scans.models import DoctorOpening, Scan, ScanClosure
from csss.scans.states import Status

_UNREAD = frozenset({Status.PENDING_AI, Status.AI_ANALYZED})


def is_first_opening(scan: Scan) -> bool:
    """Whether a doctor who opens the scan now ends the time in which it can be withdrawn."""
    return scan.status in _UNREAD and scan.closure is None and scan.doctor_opening is None


def open_as_doctor(scan_id: uuid.UUID, *, by: User) -> DoctorOpening | None:
    """Record that a doctor has opened the scan; None when that has no meaning any more. Raises NotFound."""
    scan = workflow.lock(scan_id)
    if not is_first_opening(scan):
        return None
    opening = DoctorOpening(scan_id=scan.id, doctor_id=by.id)
    db.session.add(opening)
    record("scan.opened_by_doctor", scan, by=by)
    return opening


def check_can_withdraw(scan: Scan) -> None:
    """Raises StateConflict with what is in the way."""
    if scan.closure is not None:
        raise StateConflict(_("The scan has been closed."))
    if scan.doctor_opening is not None:
        raise StateConflict(
            _(
                "A doctor opened your scan on %(when)s, so it cannot be withdrawn any more. Call the hospital if "
                "something is wrong with it.",
                when=when(scan.doctor_opening.opened_at),
            )
        )
    if scan.status not in _UNREAD:
        raise StateConflict(_("A doctor has read your scan already, so it cannot be withdrawn any more."))


def withdraw(scan_id: uuid.UUID, *, by: User) -> ScanClosure:
    """Close the own scan. The caller has looked it up as its patient. Raises NotFound, StateConflict."""
    scan = workflow.lock(scan_id)
    check_can_withdraw(scan)
    closure = ScanClosure(id=uuid.uuid4(), scan_id=scan.id, doctor_id=by.id, reason="", withdrawn=True)
    db.session.add(closure)
    review_drafts.discard_all(scan)
    claims.end(scan.id)
    record("scan.withdrawn", scan, by=by)
    return closure
