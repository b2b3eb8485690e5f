"""Keep drafts of unsigned prescriptions: one per pharmacist and scan, visible to that pharmacist only, deleted once
signed. All functions except `of` belong inside transaction()."""

import uuid
from collections.abc import Sequence
from dataclasses import asdict
from datetime import timedelta

from sqlalchemy import delete, select

from csss.clock import now
from csss.database import db
from csss.errors import Invalid
from csss.i18n import _
from csss.people.models import User
from csss.prescriptions.fact_models import PrescriptionDraft
from csss.prescriptions.lines import Line
from csss.scans import policies, workflow
from csss.scans.models import Scan
from csss.scans.states import HoldFor

KEEP = timedelta(days=30)  # a draft that nobody signs or discards is no record
MOST = 100_000  # characters in all fields together


def of(scan_id: uuid.UUID, pharmacist: User) -> PrescriptionDraft | None:
    """This pharmacist's own draft."""
    query = select(PrescriptionDraft).where(
        PrescriptionDraft.scan_id == scan_id, PrescriptionDraft.pharmacist_id == pharmacist.id
    )
    return db.session.scalars(query).one_or_none()


def lines_of(draft: PrescriptionDraft) -> list[Line]:
    return [Line(**{name: str(text) for name, text in line.items()}) for line in draft.lines]


def check_can_draft(scan: Scan) -> None:
    """Allow drafts while the prescription can be written or corrected. Raises StateConflict."""
    if scan.open_hold is None or scan.open_hold.to is not HoldFor.PHARMACIST:
        policies.check_can_complete(scan)
    else:
        policies.check_can_correct(scan, HoldFor.PHARMACIST)


def save(
    scan_id: uuid.UUID, *, lines: Sequence[Line], none_needed: bool, notes: str, by: User
) -> PrescriptionDraft | None:
    """Replace the draft with what has been typed; without any text there is none.

    Raises StateConflict once nothing can be signed any more, Invalid when it is too long. The stored draft stays.
    """
    scan = workflow.lock(scan_id)
    check_can_draft(scan)
    filled = [asdict(line) for line in lines if not line.blank]
    if sum(len(text) for line in filled for text in line.values()) + len(notes) > MOST:
        raise Invalid(notes=_("The draft is too long to be kept."))
    old = (PrescriptionDraft.pharmacist_id == by.id, PrescriptionDraft.saved_at < now() - KEEP)
    db.session.execute(delete(PrescriptionDraft).where(*old))
    if not filled and not none_needed and not notes.strip():
        discard(scan_id, by=by)
        return None
    draft = of(scan_id, by)
    if draft is None:
        draft = PrescriptionDraft(id=uuid.uuid4(), scan_id=scan_id, pharmacist_id=by.id)
        db.session.add(draft)
    draft.lines, draft.none_needed, draft.notes, draft.saved_at = filled, none_needed, notes, now()
    return draft


def discard(scan_id: uuid.UUID, *, by: User) -> None:
    """Delete this pharmacist's draft; nothing happens when there is none."""
    own = (PrescriptionDraft.scan_id == scan_id, PrescriptionDraft.pharmacist_id == by.id)
    db.session.execute(delete(PrescriptionDraft).where(*own))
