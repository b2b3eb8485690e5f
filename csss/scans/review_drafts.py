"""Keep drafts of unsigned readings: one per doctor and scan, visible to that doctor only, deleted once signed.

All functions except `of` belong inside transaction().
"""

import uuid
from datetime import timedelta

from sqlalchemy import delete, select

from csss.clock import now
from csss.database import db
from csss.errors import Invalid
from csss.i18n import _
from csss.people.models import User
from csss.scans import policies, workflow
from csss.scans.draft_models import ReviewDraft
from csss.scans.models import Scan
from csss.scans.review_text import MAX_TEXT, ReviewText
from csss.scans.states import Agreement, HoldFor

# A draft that nobody signs or discards is no record and must not be kept for ever.
KEEP = timedelta(days=30)


def of(scan_id: uuid.UUID, doctor: User) -> ReviewDraft | None:
    """This doctor's own draft about the scan."""
    query = select(ReviewDraft).where(ReviewDraft.scan_id == scan_id, ReviewDraft.doctor_id == doctor.id)
    return db.session.scalars(query).one_or_none()


def check_can_draft(scan: Scan) -> None:
    """Allow drafts while the reading can be signed or corrected. Raises StateConflict with the scan's current
    state."""
    if scan.open_hold is None or scan.open_hold.to is not HoldFor.DOCTOR:
        policies.check_can_verify(scan)
    else:
        policies.check_can_correct(scan, HoldFor.DOCTOR)


def save(scan_id: uuid.UUID, reading: ReviewText, *, by: User) -> ReviewDraft | None:
    """Replace the draft with what has been typed; without any text there is no draft.

    Raises StateConflict once the scan can no longer be signed, Invalid when a text is too long. The stored draft
    stays in both cases. The statement that the doctor has read the scan is never stored: it is made when signing.
    """
    scan = workflow.lock(scan_id)
    check_can_draft(scan)
    texts = (reading.findings, reading.impression, reading.diagnosis)
    if max(map(len, (*texts, reading.critical_action))) > MAX_TEXT:
        raise Invalid(
            findings=_("The draft is too long to be kept: at most %(most)s characters.", most=MAX_TEXT)
        )
    db.session.execute(
        delete(ReviewDraft).where(ReviewDraft.doctor_id == by.id, ReviewDraft.saved_at < now() - KEEP)
    )
    agreement = Agreement(reading.agreement) if reading.agreement in set(Agreement) else None
    critical = reading.critical or bool(reading.critical_action.strip())
    if not any(text.strip() for text in texts) and agreement is None and not critical:
        discard(scan_id, by=by)
        return None
    draft = of(scan_id, by)
    if draft is None:
        draft = ReviewDraft(id=uuid.uuid4(), scan_id=scan_id, doctor_id=by.id)
        db.session.add(draft)
    draft.findings, draft.impression, draft.diagnosis = texts
    draft.critical, draft.critical_action = reading.critical, reading.critical_action
    draft.agreement, draft.saved_at = agreement, now()
    return draft


def discard(scan_id: uuid.UUID, *, by: User) -> None:
    """Delete this doctor's draft; nothing happens when there is none."""
    own = (ReviewDraft.scan_id == scan_id, ReviewDraft.doctor_id == by.id)
    db.session.execute(delete(ReviewDraft).where(*own))


def discard_all(scan: Scan) -> None:
    """Delete all drafts of a scan about which nobody can sign any more."""
    db.session.execute(delete(ReviewDraft).where(ReviewDraft.scan_id == scan.id))
