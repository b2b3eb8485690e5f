"""Approve several reports with one code: a fixed selection, shown once more before a code is requested.

Each report is a separate step. The selection is stored with the versions that were shown. A code is bound to the
batch, so it approves neither other reports nor other versions of these. A new selection makes a new batch and
cancels this one with its codes.
"""

import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import func, select, update
from sqlalchemy.orm import InstrumentedAttribute, selectinload

from csss.audit.record import record
from csss.auth import patient_corrections
from csss.auth.models import CodePurpose, OneTimeCode
from csss.auth.second_factor import Proof
from csss.clock import now
from csss.database import db
from csss.errors import Invalid, NotFound, StateConflict
from csss.i18n import _
from csss.people.models import User
from csss.prescriptions.models import Prescription
from csss.reports import lettering, services
from csss.reports.models import ApprovalBatch, ApprovalBatchItem
from csss.scans import policies, workflow
from csss.scans.models import Review, Scan

MAX_REPORTS = 50


@dataclass(frozen=True)
class Choice:
    """The current state of one report of a batch; `problem` says why it cannot be approved (any more), else None."""

    item: ApprovalBatchItem
    scan: Scan
    prescription: Prescription | None
    problem: str | None


@dataclass(frozen=True)
class BatchOutcome:
    """How many reports were approved, and how many were left out."""

    approved: int
    left: int


def prepare(scan_ids: Sequence[uuid.UUID], *, by: User) -> ApprovalBatch:
    """Store which reports are to be approved together; the user's earlier selection and its codes stop working.

    Reports that cannot be approved now are stored too, so that the page can name them. Raises Invalid (`reports`).
    Belongs inside transaction().
    """
    wanted = list(dict.fromkeys(scan_ids))
    if not wanted:
        raise Invalid(reports=_("Tick at least one report."))
    if len(wanted) > MAX_REPORTS:
        raise Invalid(
            reports=_("At most %(most)s reports can be approved with one code.", most=str(MAX_REPORTS))
        )
    found = set(db.session.scalars(select(Scan.id).where(Scan.id.in_(wanted))))
    if found != set(wanted):
        raise NotFound(_("There is no such scan."))
    _cancel_earlier(by)
    reviews, prescriptions = _versions(wanted)
    batch = ApprovalBatch(id=uuid.uuid4(), admin_id=by.id)
    batch.items = [
        ApprovalBatchItem(
            scan_id=scan_id,
            position=position,
            review_version=reviews.get(scan_id, 0),
            prescription_version=prescriptions.get(scan_id, 0),
        )
        for position, scan_id in enumerate(wanted, start=1)
    ]
    db.session.add(batch)
    db.session.flush()
    record("approval.batch_prepared", batch, by=by, reports=len(wanted))
    return batch


def _cancel_earlier(by: User) -> None:
    """Cancel earlier selections. Two concurrent ones would each leave the other's code valid, so lock the user."""
    open_ids = select(ApprovalBatch.id).where(
        ApprovalBatch.admin_id == by.id,
        ApprovalBatch.approved_at.is_(None),
        ApprovalBatch.cancelled_at.is_(None),
    )
    # Lock batches before the user, in the same order as an approval does, to avoid a deadlock.
    db.session.execute(open_ids.order_by(ApprovalBatch.id).with_for_update())
    db.session.refresh(by, with_for_update=True)
    earlier = db.session.scalars(open_ids).all()
    if earlier:
        cancel_codes(by, earlier)
        db.session.execute(
            update(ApprovalBatch).where(ApprovalBatch.id.in_(earlier)).values(cancelled_at=now())
        )


def cancel_codes(user: User, subjects: Sequence[uuid.UUID]) -> None:
    """Cancel all codes of this user for approving one of these."""
    db.session.execute(
        update(OneTimeCode)
        .where(
            OneTimeCode.user_id == user.id,
            OneTimeCode.purpose == CodePurpose.APPROVAL,
            OneTimeCode.subject_id.in_(subjects),
            OneTimeCode.used_at.is_(None),
            OneTimeCode.cancelled_at.is_(None),
        )
        .values(cancelled_at=now())
    )


def batch_of(user: User, batch_id: uuid.UUID) -> ApprovalBatch:
    """The user's own batch. Raises NotFound."""
    batch = db.session.get(ApprovalBatch, batch_id)
    if batch is None or batch.admin_id != user.id:
        raise NotFound(_("There is no such choice of reports."))
    return batch


def check_open(batch: ApprovalBatch) -> None:
    """Raise StateConflict when its code has been used, or another selection has replaced it."""
    if batch.approved_at is not None:
        raise StateConflict(_("These reports have been approved already."))
    if batch.cancelled_at is not None:
        raise StateConflict(
            _("You have chosen other reports since. This choice and its codes do not work any more.")
        )


def leave_out(batch_id: uuid.UUID, without: Collection[uuid.UUID], *, by: User) -> ApprovalBatch:
    """Make a new selection without these reports; this one and its codes stop working.

    Raises NotFound; StateConflict when this one is closed or nothing would be left.
    """
    batch = batch_of(by, batch_id)
    check_open(batch)
    left = [item.scan_id for item in batch.items if item.scan_id not in without]
    if not left:
        raise StateConflict(_("This is the only report of your choice. Go back to the list instead."))
    return prepare(left, by=by)


def choices(batch: ApprovalBatch) -> list[Choice]:
    """Each report of the batch with what an administrator reviews, in a fixed number of queries."""
    ids = [item.scan_id for item in batch.items]
    scans = {
        scan.id: scan
        for scan in db.session.scalars(
            select(Scan)
            .where(Scan.id.in_(ids))
            .options(
                selectinload(Scan.prediction),
                selectinload(Scan.reviews),
                selectinload(Scan.holds),
                selectinload(Scan.closure),
            )
        )
    }
    newest = {
        each.scan_id: each
        for each in db.session.scalars(
            select(Prescription).where(Prescription.scan_id.in_(ids)).order_by(Prescription.version)
        )
    }
    admin = db.session.get_one(User, batch.admin_id)
    corrected = _corrected(batch, scans)
    found = []
    for item in batch.items:
        scan, prescription = scans[item.scan_id], newest.get(item.scan_id)
        reviewed = scan.review.version if scan.review else 0
        prescribed = prescription.version if prescription else 0
        problem = _problem(item, scan, reviewed, prescribed, corrected)
        if problem is None:
            problem = " ".join(lettering.obstacles(scan, admin, prescription)) or None
        found.append(Choice(item, scan, prescription, problem))
    return found


def lock(batch_id: uuid.UUID, *, by: User) -> tuple[ApprovalBatch, Mapping[uuid.UUID, str | None]]:
    """Lock the batch and its scans until the transaction ends; give the reason why each cannot be approved, or
    None.

    Raises NotFound; StateConflict when the batch is closed or nothing in it can be approved, so that no code is
    wasted.
    """
    batch = db.session.get(ApprovalBatch, batch_id, with_for_update=True, populate_existing=True)
    if batch is None or batch.admin_id != by.id:
        raise NotFound(_("There is no such choice of reports."))
    check_open(batch)
    # Everybody locks in the same order: two who approve the same reports at once must not deadlock.
    held = {scan_id: workflow.lock(scan_id) for scan_id in sorted(item.scan_id for item in batch.items)}
    reviews, prescriptions = _versions(list(held))
    corrected = _corrected(batch, held)
    problems = {
        item.scan_id: _problem(
            *(item, held[item.scan_id], reviews.get(item.scan_id, 0), prescriptions.get(item.scan_id, 0)),
            corrected,
        )
        for item in batch.items
    }
    for scan_id, scan in held.items():
        if problems[scan_id] is None:
            problems[scan_id] = " ".join(lettering.obstacles(scan, by)) or None
    if all(problems.values()):
        raise StateConflict(_("None of these reports can be approved any more."))
    return batch, problems


def approve_chosen(batch_id: uuid.UUID, *, second_factor: Callable[[], Proof], by: User) -> BatchOutcome:
    """Release the reports of this selection. What has changed meanwhile is left out and named.

    The state is checked before `second_factor` uses up a code or a passkey's answer. Raises what `lock` and
    `second_factor` raise.
    """
    batch, problems = lock(batch_id, by=by)
    return approve(batch, problems, proof=second_factor(), by=by)


def approve(
    batch: ApprovalBatch, problems: Mapping[uuid.UUID, str | None], *, proof: Proof, by: User
) -> BatchOutcome:
    """Release each report of a batch that `lock` has just found free of problems; store what went wrong with the
    others.

    Raises PermissionError when the proof is for something else.
    """
    for item in batch.items:
        reason = problems[item.scan_id]
        if reason is None:
            try:
                with db.session.begin_nested():
                    services.approve(item.scan_id, proof=proof, by=by, batch=batch)
            except StateConflict as conflict:
                reason = str(conflict)
        item.approved, item.left_because = reason is None, reason or ""
    batch.approved_at = now()
    approved = sum(item.approved is True for item in batch.items)
    outcome = BatchOutcome(approved, len(batch.items) - approved)
    record("approval.batch_approved", batch, by=by, approved=outcome.approved, left=outcome.left)
    return outcome


def _corrected(batch: ApprovalBatch, scans: Mapping[uuid.UUID, Scan]) -> set[uuid.UUID]:
    """The patients whose details have been corrected since the batch was made. One that is closed asks nothing more."""
    if batch.approved_at is not None or batch.cancelled_at is not None:
        return set()
    return patient_corrections.corrected_since(batch.created_at, {each.patient_id for each in scans.values()})


def _problem(
    item: ApprovalBatchItem, scan: Scan, reviewed: int, prescribed: int, corrected: Collection[uuid.UUID]
) -> str | None:
    try:
        policies.check_can_approve(scan)
    except StateConflict as conflict:
        return str(conflict)
    if reviewed != item.review_version:
        return _("The doctor has corrected the reading since you chose it. Look at it again.")
    if prescribed != item.prescription_version:
        return _("The pharmacist has corrected the prescription since you chose it. Look at it again.")
    if scan.patient_id in corrected:
        return _("The patient’s details have been corrected since you chose it. Look at it again.")
    return None


def _versions(ids: Sequence[uuid.UUID]) -> tuple[dict[uuid.UUID, int], dict[uuid.UUID, int]]:
    """The newest review version and the newest prescription version of each of these scans."""

    def newest(
        scan_id: InstrumentedAttribute[uuid.UUID], version: InstrumentedAttribute[int]
    ) -> dict[uuid.UUID, int]:
        query = select(scan_id, func.max(version)).where(scan_id.in_(ids)).group_by(scan_id)
        return {row[0]: row[1] for row in db.session.execute(query)}

    return newest(Review.scan_id, Review.version), newest(Prescription.scan_id, Prescription.version)
