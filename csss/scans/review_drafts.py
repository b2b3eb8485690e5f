"""Drafts of unsigned readings: per doctor and scan, seen by nobody else, gone once signed. All but `of` belong inside
transaction()."""

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

# A draft that nobody has signed or thrown away is no record and must not be kept for ever.
KEEP = timedelta(days=30)


def of(scan_id: uuid.UUID, doctor: User) -> ReviewDraft | None:
    """This doctor's own draft about the scan."""
    query = select(ReviewDraft).where(ReviewDraft.scan_id == scan_id, ReviewDraft.doctor_id == doctor.id)
    return db.session.scalars(query).one_or_none()


def check_can_draft(scan: Scan) -> None:
    """While the reading can be signed, or corrected. Raises StateConflict with where the scan stands."""
    if scan.open_hold is None or scan.open_hold.to is not HoldFor.DOCTOR:
        policies.check_can_verify(scan)
    else:
        policies.check_can_correct(scan, HoldFor.DOCTOR)


def save(scan_id: uuid.UUID, reading: ReviewText, *, by: User) -> ReviewDraft | None:
    """Keep what has been typed in place of what was kept before; nothing typed means no draft.

    Raises StateConflict once the scan can no longer be signed, Invalid when a text is too long. What has been kept
    stays in both cases. That somebody has read the scan is never kept: it is stated when signing.
    """
    scan = workflow.lock(scan_id)
    check_can_draft(scan)
    texts = (reading.findings, reading.impression, reading.diagnosis)
    if max(map(len, texts)) > MAX_TEXT:
        raise Invalid(
            findings=_("The draft is too long to be kept: at most %(most)s characters.", most=MAX_TEXT)
        )
    db.session.execute(
        delete(ReviewDraft).where(ReviewDraft.doctor_id == by.id, ReviewDraft.saved_at < now() - KEEP)
    )
    agreement = Agreement(reading.agreement) if reading.agreement in set(Agreement) else None
    if not any(text.strip() for text in texts) and agreement is None:
        discard(scan_id, by=by)
        return None
    draft = of(scan_id, by)
    if draft is None:
        draft = ReviewDraft(id=uuid.uuid4(), scan_id=scan_id, doctor_id=by.id)
        db.session.add(draft)
    draft.findings, draft.impression, draft.diagnosis = texts
    draft.agreement, draft.saved_at = agreement, now()
    return draft


def discard(scan_id: uuid.UUID, *, by: User) -> None:
    """Throw this doctor's draft away; nothing happens when there is none."""
    own = (ReviewDraft.scan_id == scan_id, ReviewDraft.doctor_id == by.id)
    db.session.execute(delete(ReviewDraft).where(*own))


def discard_all(scan: Scan) -> None:
    """Nobody will sign anything about this scan any more."""
    db.session.execute(delete(ReviewDraft).where(ReviewDraft.scan_id == scan.id))
