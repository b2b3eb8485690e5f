"""The administrator's step, and the report versions that follow. Functions belong inside transaction()."""

import uuid

from csss import outbox
from csss.audit.record import record
from csss.auth.models import CodePurpose
from csss.auth.second_factor import Proof
from csss.clock import now
from csss.database import db
from csss.errors import Invalid
from csss.i18n import _
from csss.notices.models import MailKind
from csss.notices.services import owe
from csss.people.models import User
from csss.reports import lettering
from csss.reports.models import Approval, ApprovalBatch, ReportVersion
from csss.scans import policies, workflow
from csss.scans import services as scan_services
from csss.scans.models import Addendum, Scan, ScanHold
from csss.scans.review_text import too_long
from csss.scans.states import HoldFor, Status

MAX_NOTE = 2_000
_REPORTS = uuid.UUID("6f6a9f5e-3f0b-4f43-9a57-5a5d0c6c5f10")  # namespace of report ids


def approve(scan_id: uuid.UUID, *, proof: Proof, by: User, batch: ApprovalBatch | None = None) -> Approval:
    """Release the report. Only an administrator who has just shown a second factor for this very scan may, or for a
    batch that this scan belongs to.

    Raises StateConflict; PermissionError when the proof is for something else.
    """
    subject = scan_id if batch is None else batch.id
    if (proof.user_id, proof.purpose, proof.subject_id) != (by.id, CodePurpose.APPROVAL, subject):
        raise PermissionError("the second factor was shown for something else")
    if batch is not None and scan_id not in {item.scan_id for item in batch.items}:
        raise PermissionError("the second factor was shown for other reports")
    scan = workflow.lock(scan_id)
    check_can_release(scan, by=by)
    approval = Approval(id=uuid.uuid4(), scan_id=scan.id, admin_id=by.id, second_factor=proof.method)
    db.session.add(approval)
    workflow.move(scan, Status.REPORT_READY, by=by)
    outbox.add(outbox.Queue.REPORTS, "render_report", scan.id, approval.id)
    return approval


def check_can_release(scan: Scan, *, by: User) -> None:
    """Whether this person's approval would make a report now: the scan's state, and letters that can all be printed.

    Raises StateConflict.
    """
    policies.check_can_approve(scan)
    lettering.check_can_print(scan, by)


def hold(scan_id: uuid.UUID, *, to: HoldFor, note: str, by: User) -> ScanHold:
    """Ask the doctor or the pharmacist for a correction before release; nothing is approved meanwhile."""
    scan = workflow.lock(scan_id)
    policies.check_can_hold(scan, to)
    if not note.strip():
        raise Invalid(note=_("Write what has to be corrected."))
    if len(note) > MAX_NOTE:
        raise Invalid(note=too_long(note, MAX_NOTE))
    placed = ScanHold(id=uuid.uuid4(), scan_id=scan.id, to=to, note=note.strip(), placed_by_id=by.id)
    db.session.add(placed)
    record("scan.held", scan, by=by, to=to.value)
    return placed


def lift(scan_id: uuid.UUID, *, by: User) -> None:
    """End the hold, whether a correction was given or none was needed."""
    scan = workflow.lock(scan_id)
    policies.check_can_lift(scan)
    placed = scan.open_hold
    if placed is not None:
        placed.lifted_at, placed.lifted_by_id = now(), by.id
        record("scan.hold_lifted", scan, by=by)


def add_addendum(scan_id: uuid.UUID, *, note: str, by: User) -> Addendum:
    """A signed note after release, and the new report version that carries it."""
    addendum = scan_services.add_addendum(scan_id, note=note, by=by)
    db.session.flush()
    outbox.add(outbox.Queue.REPORTS, "render_report", scan_id, addendum.id)
    return addendum


def report_id(scan_id: uuid.UUID, version: int) -> uuid.UUID:
    """The id of a report version: the same whenever it is made again, so that a repeated job makes no second one.

    Random like the scan's own id, from which it cannot be guessed without knowing that one.
    """
    return uuid.uuid5(_REPORTS, f"{scan_id}/{version}")


def keep_version(scan: Scan, version: int, *, file_key: str, sha256: str, size: int) -> ReportVersion:
    """Keep a stored PDF as a version of the report and owe it to the patient."""
    kept = ReportVersion(
        id=report_id(scan.id, version),
        scan_id=scan.id,
        version=version,
        file_key=file_key,
        sha256=sha256,
        size=size,
    )
    db.session.add(kept)
    db.session.flush()
    record("report.stored", kept, version=version, sha256=sha256)
    owe(MailKind.REPORT_READY, scan.patient.user, kept.id)
    return kept
