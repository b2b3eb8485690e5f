"""Release, hold and correct reports, and store their versions. All functions belong inside transaction()."""

import uuid
from collections.abc import Callable

from csss import outbox
from csss.audit.record import record
from csss.auth import patient_corrections, secrets
from csss.auth.models import CodePurpose
from csss.auth.second_factor import Proof
from csss.clock import now
from csss.database import db
from csss.errors import Invalid, StateConflict
from csss.i18n import _
from csss.lengths import check_length
from csss.notices.models import MailKind
from csss.notices.services import owe
from csss.people.models import User
from csss.prescriptions import services as prescriptions
from csss.reports import lettering, queries
from csss.reports.models import Approval, ApprovalBatch, ReportVersion
from csss.scans import policies, workflow
from csss.scans import services as scan_services
from csss.scans.models import Addendum, Scan, ScanHold
from csss.scans.states import HoldFor, Status

MAX_NOTE = 2_000
_REPORTS = uuid.UUID("6f6a9f5e-3f0b-4f43-9a57-5a5d0c6c5f10")  # namespace of report ids


def approve(scan_id: uuid.UUID, *, proof: Proof, by: User, batch: ApprovalBatch | None = None) -> Approval:
    """Release the report. It needs an administrator who has just shown a second factor for this scan, or for a
    batch that contains this scan.

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


def approve_as_seen(
    scan_id: uuid.UUID, *, seen: str, second_factor: Callable[[], Proof], by: User
) -> Approval:
    """Release the report that was read on a page. `seen` is that page's `versions_to_approve`.

    The state is checked before `second_factor` uses up a code or a passkey's answer, and the scan is locked first.
    So if two requests send the same code at once, the second learns that the report is released, not that the code
    was used.

    Raises StateConflict, and what `second_factor` raises.
    """
    scan = workflow.lock(scan_id)
    check_can_release(scan, by=by)
    if not seen:
        raise StateConflict(
            _("The form did not say which reading and prescription you saw. Look at them here, then approve.")
        )
    there = versions_to_approve(scan, len(prescriptions.versions(scan)))
    if seen.partition("~")[0] != there.partition("~")[0]:
        raise StateConflict(
            _(
                "The reading or the prescription has been corrected since you opened this page. Look at it again."
            )
        )
    if seen != there:
        raise StateConflict(
            _("The patient’s details have been changed since you opened this page. Look at them again.")
        )
    return approve(scan_id, proof=second_factor(), by=by)


def versions_to_approve(scan: Scan, prescribed: int) -> str:
    """Identify what would be released: the versions of reading and prescription, which count from 1 without gaps; then,
    where there are any, the corrections of the patient's details and the allergies.
    """
    known = [f"{len(scan.reviews)}.{prescribed}"]
    if corrected := patient_corrections.count(scan.patient):
        known.append(f"c{corrected}")
    if allergies := scan.patient.allergies.strip():
        known.append("a" + secrets.keyed_hash("approved-allergies", allergies)[:12])
    return "~".join(known)


def check_can_preview(scan: Scan) -> None:
    """Raise StateConflict unless there is something to preview and nothing has been released."""
    if not scan.reviews or not prescriptions.versions(scan):
        raise StateConflict(
            _("The report can be previewed once the doctor and the pharmacist have done their part.")
        )
    if queries.approval(scan) is not None:
        raise StateConflict(_("The report has been released. Open its stored version instead of a preview."))


def check_can_release(scan: Scan, *, by: User) -> None:
    """Raise StateConflict unless this person's approval would make a report now: right state, and all letters
    printable."""
    policies.check_can_approve(scan)
    lettering.check_can_print(scan, by)


def askable(scan: Scan) -> list[HoldFor]:
    """Who can be asked for a correction now."""
    return [role for role in HoldFor if policies.may(policies.check_can_hold, scan, role)]


def hold(scan_id: uuid.UUID, *, to: HoldFor | None, note: str, by: User) -> ScanHold:
    """Ask the doctor or the pharmacist for a correction before release; nothing is approved meanwhile.

    Raises StateConflict; Invalid (`to`, `note`).
    """
    scan = workflow.lock(scan_id)
    if to is None:
        if not askable(scan):
            policies.check_can_hold(scan, HoldFor.DOCTOR)  # check the state before the input
        raise Invalid(to=_("Choose who has to correct something."))
    policies.check_can_hold(scan, to)
    if not note.strip():
        raise Invalid(note=_("Write what has to be corrected."))
    check_length(MAX_NOTE, note=note)
    placed = ScanHold(id=uuid.uuid4(), scan_id=scan.id, to=to, note=note.strip(), placed_by_id=by.id)
    db.session.add(placed)
    record("scan.held", scan, by=by, to=to.value)
    return placed


def lift(scan_id: uuid.UUID, *, by: User) -> None:
    """End the hold, whether or not a correction was given."""
    scan = workflow.lock(scan_id)
    policies.check_can_lift(scan)
    placed = scan.open_hold
    if placed is not None:
        placed.lifted_at, placed.lifted_by_id = now(), by.id
        record("scan.hold_lifted", scan, by=by)


def add_addendum(
    scan_id: uuid.UUID, *, note: str, critical: bool = False, critical_action: str = "", by: User
) -> Addendum:
    """Add a signed note after release, and make the new report version that contains it."""
    addendum = scan_services.add_addendum(
        scan_id, note=note, critical=critical, critical_action=critical_action, by=by
    )
    db.session.flush()
    outbox.add(outbox.Queue.REPORTS, "render_report", scan_id, addendum.id)
    return addendum


def report_id(scan_id: uuid.UUID, version: int) -> uuid.UUID:
    """The id of a report version. It is deterministic, so a repeated job makes no second version.

    It is as random as the scan's id, and cannot be guessed without knowing that id.
    """
    return uuid.uuid5(_REPORTS, f"{scan_id}/{version}")


_LETTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # none that is mistaken for another


def report_number(scan_id: uuid.UUID) -> str:
    """A short number that people can read out, the same for all versions: 7K3Q-9F2M. The id tells reports apart."""
    drawn = uuid.uuid5(_REPORTS, str(scan_id)).int
    letters = "".join(_LETTERS[drawn >> 5 * each & 31] for each in range(8))
    return f"{letters[:4]}-{letters[4:]}"


def keep_version(scan: Scan, version: int, *, file_key: str, sha256: str, size: int) -> ReportVersion:
    """Record a stored PDF as a report version and queue its mail to the patient.

    Without an account and without a confirmed address nobody is mailed: the report is printed and handed over.
    """
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
    tell_patient(kept)
    return kept


def tell_patient(kept: ReportVersion) -> None:
    """Queue the mail about this version, to the account or to the confirmed address of the record."""
    patient = kept.scan.patient
    if patient.user is not None:
        owe(MailKind.REPORT_READY, patient.user, kept.id)
    elif patient.contact_confirmed and (approval := queries.approval(kept.scan)) is not None:
        owe(MailKind.RECORD_REPORT, approval.admin, kept.id)
