"""What a patient and a doctor do with a scan. Every function belongs inside transaction()."""

import hashlib
import uuid
from datetime import timedelta

from flask import current_app
from sqlalchemy import select

from csss.audit.record import record
from csss.auth import patients
from csss.auth.models import Patient, User
from csss.clock import now
from csss.database import db
from csss.dates import when
from csss.errors import Invalid
from csss.i18n import _, _n
from csss.mail.models import MailKind
from csss.mail.owed import owe
from csss.scans import claims, drafts, policies, previews, report_templates, workflow
from csss.scans.intake import Intake
from csss.scans.models import Addendum, Review, Scan, ScanClosure
from csss.scans.states import Agreement, HoldFor, Priority, ScanKind, Status
from csss.scans.written import MAX_TEXT, Reading, too_long

MAX_REASON = 2_000


def submit_scan(
    intake: Intake,
    file_key: str,
    *,
    kind: ScanKind,
    indication: str,
    priority: Priority = Priority.ROUTINE,
    original_key: str | None = None,
    by: User,
) -> Scan:
    """A patient's own scan, whose files have been stored under `file_key` and, where there is one, `original_key`.

    Raises NotFound, Invalid.
    """
    _check_length(indication=indication, limit=MAX_REASON)
    patient = patients.held(by)  # of two at once the second counts the first
    check_may_send(patient)
    scan = Scan(
        id=uuid.uuid4(),
        patient_id=patient.id,
        kind=kind,
        indication=indication.strip(),
        priority=priority,
        file_key=file_key,
        media_type=intake.media_type,
        sha256=intake.sha256,
        width=intake.width,
        height=intake.height,
        original_key=original_key,
        original_sha256=hashlib.sha256(intake.original).hexdigest() if original_key else None,
    )
    workflow.begin(scan, by=by)
    record("scan.submitted", scan, by=by, kind=kind.value)
    previews.keep_after_commit(file_key, intake)
    return scan


A_DAY = timedelta(hours=24)


class UsedUp(Invalid):
    """Nothing is wrong with the picture: this patient has sent as many as a day allows."""


def check_may_send(patient: Patient) -> None:
    """Whether one more scan fits into the day: nobody fills the disk or the doctors' worklist. Raises UsedUp (`file`)."""
    most = current_app.config["CSSS"].uploads_a_day
    sent = db.session.scalars(
        select(Scan.uploaded_at)
        .where(Scan.patient_id == patient.id, Scan.uploaded_at > now() - A_DAY)
        .order_by(Scan.uploaded_at.desc())
        .limit(most)
    ).all()
    if len(sent) == most:
        raise UsedUp(
            file=_n(
                "You have sent %(num)s scan within a day, which is all that can be taken. The next one can be sent from "
                "%(when)s on.",
                "You have sent %(num)s scans within a day, which is all that can be taken. The next one can be sent from "
                "%(when)s on.",
                most,
                when=when(sent[-1] + A_DAY),
            )
        )


# A form that comes a second time within this time is the same form; a picture may be sent again on purpose later.
SAME_FORM = timedelta(minutes=2)


def just_submitted(intake: Intake, *, kind: ScanKind, by: User) -> uuid.UUID | None:
    """The scan that this patient has made of the very same picture a moment ago, unless it was closed.

    Holds the patient, so that of two forms at once the second one sees what the first one has made. Raises NotFound.
    """
    patient = patients.held(by)
    return db.session.scalars(
        select(Scan.id)
        .where(
            Scan.patient_id == patient.id,
            Scan.sha256 == intake.sha256,
            Scan.kind == kind,
            Scan.uploaded_at > now() - SAME_FORM,
            Scan.id.not_in(select(ScanClosure.scan_id)),
        )
        .limit(1)
    ).first()


def verify(scan_id: uuid.UUID, reading: Reading, *, by: User) -> Review:
    """Only a doctor who has written findings moves a scan on; an uncertain one also needs an own diagnosis.

    Raises StateConflict, Invalid.
    """
    scan = workflow.lock(scan_id)
    policies.check_can_verify(scan)
    review = _review(scan, reading, by)
    workflow.move(scan, Status.DOCTOR_VERIFIED, by=by)
    claims.end(scan.id)
    return review


def correct_review(scan_id: uuid.UUID, reading: Reading, *, by: User) -> Review:
    """A further version of the review, asked for by an administrator. The status does not move."""
    scan = workflow.lock(scan_id)
    policies.check_can_correct(scan, HoldFor.DOCTOR)
    review = _review(scan, reading, by)
    answer_hold(scan)
    claims.end(scan.id)
    record("scan.review_corrected", scan, by=by, version=review.version)
    return review


def needs_own_reading(scan: Scan) -> bool:
    """Whether the doctor must give a diagnosis and state to have read the scan: uncertain, or no classifier."""
    return scan.prediction is not None and (scan.prediction.uncertain or not scan.prediction.available)


def _review(scan: Scan, reading: Reading, by: User) -> Review:
    errors: dict[str, str] = {}
    if not reading.findings.strip():
        errors["findings"] = _("Write what you see in the scan.")
    if needs_own_reading(scan):
        if not reading.diagnosis.strip():
            errors["diagnosis"] = (
                _("The classifier is uncertain about this scan: give your own diagnosis.")
                if _predicted(scan)
                else _("The classifier has not read this scan: give your own diagnosis.")
            )
        if not reading.read_myself:
            errors["read_myself"] = (
                _("The classifier is uncertain about this scan: state that you have read it yourself.")
                if _predicted(scan)
                else _("The classifier has not read this scan: state that you have read it yourself.")
            )
    if reading.agreement is not None and reading.agreement not in set(Agreement):
        errors["agreement"] = _("Choose whether you agree, agree in part, or disagree.")
    for name, text in (
        ("findings", reading.findings),
        ("impression", reading.impression),
        ("diagnosis", reading.diagnosis),
    ):
        if len(text) > MAX_TEXT:
            errors[name] = too_long(text, MAX_TEXT)
    for name, text in (("findings", reading.findings), ("impression", reading.impression)):
        if name not in errors and (gaps := report_templates.unfilled(text, by)):
            errors[name] = _(
                "Choose or delete what a template has left open: %(gaps)s", gaps=", ".join(gaps[:4])
            )
    if errors:
        raise Invalid(**errors)
    review = Review(
        id=uuid.uuid4(),
        scan_id=scan.id,
        version=len(scan.reviews) + 1,
        doctor_id=by.id,
        findings=reading.findings.strip(),
        impression=reading.impression.strip(),
        diagnosis=reading.diagnosis.strip(),
        agreement=Agreement(reading.agreement) if reading.agreement and _predicted(scan) else None,
        read_myself=reading.read_myself,
    )
    db.session.add(review)
    drafts.discard(scan.id, by=by)  # a colleague's stays: what was typed in vain can still be copied
    return review


def _predicted(scan: Scan) -> bool:
    return scan.prediction is not None and scan.prediction.available


def answer_hold(scan: Scan) -> None:
    """Tell the administrator that the asked-for correction is there; lifting the hold stays with them."""
    if scan.open_hold is not None:
        scan.open_hold.answered_at = now()


def close(scan_id: uuid.UUID, *, reason: str, by: User) -> ScanClosure:
    """Close an unreadable or wrongly assigned scan; the patient is asked to upload again."""
    scan = workflow.lock(scan_id)
    policies.check_can_close(scan)
    _check_reason(reason)
    closure = ScanClosure(id=uuid.uuid4(), scan_id=scan.id, doctor_id=by.id, reason=reason.strip())
    db.session.add(closure)
    drafts.discard_all(scan)
    claims.end(scan.id)
    record("scan.closed", scan, by=by)
    owe(MailKind.SCAN_CLOSED, scan.patient.user, scan.id)
    return closure


def set_priority(scan_id: uuid.UUID, priority: Priority, *, by: User) -> None:
    scan = workflow.lock(scan_id)
    policies.check_can_close(scan)  # the same moments: open and not released
    if scan.priority is not priority:
        scan.priority = priority
        record("scan.priority_changed", scan, by=by, priority=priority.value)


def add_addendum(scan_id: uuid.UUID, *, note: str, by: User) -> Addendum:
    """A signed note after release. The caller owes the new report version (`reports.services.add_addendum`)."""
    scan = workflow.lock(scan_id)
    policies.check_can_add_addendum(scan)
    if not note.strip():
        raise Invalid(note=_("Write the addendum."))
    _check_length(note=note, limit=MAX_TEXT)
    addendum = Addendum(
        id=uuid.uuid4(), scan_id=scan.id, number=len(scan.addenda) + 1, author_id=by.id, note=note.strip()
    )
    db.session.add(addendum)
    record("scan.addendum_added", scan, by=by, number=addendum.number)
    return addendum


def _check_reason(reason: str) -> None:
    if not reason.strip():
        raise Invalid(reason=_("Give the reason; it is kept with the scan."))
    _check_length(reason=reason, limit=MAX_REASON)


def _check_length(*, limit: int, **fields: str) -> None:
    for name, text in fields.items():
        if len(text) > limit:
            raise Invalid(**{name: too_long(text, limit)})
