"""Let a doctor take a signature back until a pharmacist has opened the scan.

Both steps lock the scan first, so the database decides which of the two was first. The status does not move: the scan
is held for the doctor until the reading is signed again, which makes a new version. The functions that change
something belong inside transaction().
"""

import uuid

from csss.audit.record import record
from csss.clock import now
from csss.database import db
from csss.dates import when
from csss.errors import StateConflict
from csss.i18n import _
from csss.people.models import AccountState, User
from csss.scans import claims, policies, workflow
from csss.scans.models import PharmacistOpening, Scan, ScanHold
from csss.scans.states import HoldFor, Status


def is_first_opening(scan: Scan) -> bool:
    """Whether a pharmacist who opens the scan now is the first to do so, and it waits for one."""
    return scan.opening is None and policies.may(policies.check_can_complete, scan)


def open_as_pharmacist(scan_id: uuid.UUID, *, by: User) -> PharmacistOpening | None:
    """Record that a pharmacist has opened a signed scan; None when it has been opened before, or waits for a doctor.

    Raises NotFound.
    """
    scan = workflow.lock(scan_id)
    if not is_first_opening(scan):
        return None
    opening = PharmacistOpening(scan_id=scan.id, pharmacist_id=by.id, review_version=len(scan.reviews))
    db.session.add(opening)
    record("scan.opened_by_pharmacist", scan, by=by, version=opening.review_version)
    return opening


def check_can_take_back(scan: Scan, by: User) -> None:
    """Raises StateConflict with who was first, or what else is in the way."""
    if scan.closure is not None:
        raise StateConflict(_("The scan has been closed."))
    if scan.status is not Status.DOCTOR_VERIFIED:
        raise StateConflict(str(workflow.STATE_SENTENCE[scan.status]))
    if scan.opening is not None:
        raise StateConflict(
            _(
                "%(pharmacist)s opened the scan on %(when)s and may be writing the prescription: the signature stays. "
                "An administrator can put the scan on hold for a correction.",
                pharmacist=scan.opening.pharmacist.name,
                when=when(scan.opening.opened_at),
            )
        )
    if scan.open_hold is not None:
        raise StateConflict(_("The scan is on hold already."))
    if scan.review is None or scan.review.doctor_id != by.id:
        signer = scan.review.doctor.name if scan.review else "–"
        raise StateConflict(
            _("Only %(doctor)s, who has signed this reading, can take the signature back.", doctor=signer)
        )


def take_back(scan_id: uuid.UUID, *, by: User) -> ScanHold:
    """Hold the scan for the doctor who signed it. Raises NotFound, StateConflict."""
    scan = workflow.lock(scan_id)
    check_can_take_back(scan, by)
    version = len(scan.reviews)
    hold = ScanHold(
        id=uuid.uuid4(),
        scan_id=scan.id,
        to=HoldFor.DOCTOR,
        note="",
        placed_by_id=by.id,
        taken_back=version,
    )
    db.session.add(hold)
    record("scan.signature_taken_back", scan, by=by, version=version)
    return hold


def check_may_sign_again(scan: Scan, by: User) -> None:
    """The scan is held for the doctor who took the signature back, as long as that account is active."""
    hold = scan.open_hold
    if hold is None or hold.taken_back is None or hold.placed_by_id == by.id:
        return
    if hold.placed_by.state is AccountState.ACTIVE:
        raise StateConflict(
            _(
                "The scan is held for %(doctor)s, who has taken the signature back.",
                doctor=hold.placed_by.name,
            )
        )


def sign_again(scan: Scan, *, by: User) -> bool:
    """End the hold of a signature that was taken back; False for any other hold. The caller has locked the scan and
    added the new version."""
    hold = scan.open_hold
    if hold is None or hold.taken_back is None:
        return False
    hold.answered_at = hold.lifted_at = now()
    hold.lifted_by_id = by.id
    claims.end(scan.id)
    record("scan.signed_again", scan, by=by, version=len(scan.reviews) + 1)
    return True
