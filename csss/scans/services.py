"""Submit, read, correct and close scans, as patients and doctors do. All functions belong inside transaction()."""

import hashlib
import uuid
from collections.abc import Sequence
from datetime import timedelta

from flask import current_app
from sqlalchemy import select, update

from csss import report_fonts
from csss.audit.record import record
from csss.clock import now
from csss.database import changed_rows, db
from csss.dates import when
from csss.errors import Invalid, StateConflict
from csss.i18n import _, _n
from csss.lengths import check_length
from csss.notices.models import MailKind
from csss.notices.services import owe
from csss.people import patients
from csss.people.models import Patient, User
from csss.scans import (
    analysis,
    assignments,
    claims,
    contradictions,
    critical_results,
    disclosure,
    first_impressions,
    own_reading,
    policies,
    previews,
    report_templates,
    review_drafts,
    second_readings,
    taking_back,
    workflow,
)
from csss.scans.doubts import Doubt
from csss.scans.intake import Intake
from csss.scans.models import Addendum, KindCorrection, Review, Scan, ScanClosure
from csss.scans.review_text import MAX_TEXT, ReviewText, critical_problems, text_problems
from csss.scans.states import Agreement, HoldFor, Priority, ScanKind, Status
from csss.scans.together_models import AssignmentEnd

MAX_REASON = 2_000


def submit_scan(
    intake: Intake,
    file_key: str,
    *,
    kind: ScanKind,
    indication: str,
    priority: Priority = Priority.ROUTINE,
    original_key: str | None = None,
    despite: Sequence[Doubt] = (),
    by: User,
) -> Scan:
    """Create a patient's scan, whose files are stored under `file_key` and, if present, `original_key`.

    `despite` is what the patient was asked about the picture, and sent it all the same. Raises NotFound, Invalid.
    """
    check_indication(indication)
    patient = patients.held(by)  # locks the patient: of two concurrent uploads, the second counts the first
    check_may_send(patient)
    return _take_in(
        patient,
        intake,
        file_key,
        kind=kind,
        indication=indication,
        priority=priority,
        original_key=original_key,
        despite=despite,
        by=by,
    )


def submit_for(
    patient_id: uuid.UUID,
    intake: Intake,
    file_key: str,
    *,
    kind: ScanKind,
    indication: str,
    priority: Priority = Priority.ROUTINE,
    original_key: str | None = None,
    by: User,
) -> Scan:
    """Create a scan of a patient record, with an account or without, that somebody else has brought.

    Raises NotFound (also for a record that is erased or has become part of another one), Invalid.
    """
    check_indication(indication)
    return _take_in(
        patients.held_record(patient_id),
        intake,
        file_key,
        kind=kind,
        indication=indication,
        priority=priority,
        original_key=original_key,
        by=by,
    )


def _take_in(
    patient: Patient,
    intake: Intake,
    file_key: str,
    *,
    kind: ScanKind,
    indication: str,
    priority: Priority,
    original_key: str | None,
    despite: Sequence[Doubt] = (),
    by: User,
) -> Scan:
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
        sent_despite=[each.value for each in despite] or None,
    )
    workflow.begin(scan, by=by)
    asked = {"despite": [each.value for each in despite]} if despite else {}
    record("scan.submitted", scan, by=by, kind=kind.value, **asked)
    if current_app.config["CSSS"].analyse == "on_arrival":
        analysis.start(scan.id, by=by)
    previews.keep_after_commit(file_key, intake)
    return scan


def check_indication(indication: str) -> None:
    """Raises Invalid for a text that the report's fonts cannot print."""
    check_length(MAX_REASON, indication=indication)
    if sentence := report_fonts.problem(indication):
        advice = _("Write it in one of these, or leave it out and tell the doctor.")
        raise Invalid(indication=f"{sentence} {advice}")


A_DAY = timedelta(hours=24)


class UsedUp(Invalid):
    """The picture is fine, but this patient has reached the daily limit."""


def check_may_send(patient: Patient) -> None:
    """Check the daily limit, so that nobody can fill the disk or the doctors' worklist. Raises UsedUp (`file`)."""
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
                "You have sent %(num)s scan within a day, which is the limit. The next one can be sent from "
                "%(when)s on.",
                "You have sent %(num)s scans within a day, which is the limit. The next one can be sent from "
                "%(when)s on.",
                most,
                when=when(sent[-1] + A_DAY),
            )
        )


def verify(scan_id: uuid.UUID, reading: ReviewText, *, by: User) -> Review:
    """Sign a reading and move the scan on. Findings and a conclusion are required; `own_reading` says what else is.

    Raises StateConflict, Invalid.
    """
    scan = workflow.lock(scan_id)
    policies.check_can_verify(scan)
    if disclosure.must_reveal(scan, by):
        raise StateConflict(
            _(
                "Write your first impression and reveal the classifier’s answer: the reading is signed after that."
            )
        )
    second_readings.check_may_sign(scan, by)
    review = _review(scan, reading, by)
    workflow.move(scan, Status.DOCTOR_VERIFIED, by=by)
    claims.end(scan.id)
    second_readings.end(scan)
    assignments.end(scan, AssignmentEnd.SIGNED, by=by)
    return review


def correct_review(scan_id: uuid.UUID, reading: ReviewText, *, by: User) -> Review:
    """Add a review version that an administrator asked for, or whose signature was taken back. The status does not
    change. Raises StateConflict, Invalid."""
    scan = workflow.lock(scan_id)
    policies.check_can_correct(scan, HoldFor.DOCTOR)
    taking_back.check_may_sign_again(scan, by)
    review = _review(scan, reading, by)
    assignments.end(scan, AssignmentEnd.SIGNED, by=by)
    if taking_back.sign_again(scan, by=by):
        return review
    answer_hold(scan)
    claims.end(scan.id)
    record("scan.review_corrected", scan, by=by, version=review.version)
    return review


def _review(scan: Scan, reading: ReviewText, by: User) -> Review:
    errors: dict[str, str] = {}
    if not reading.findings.strip():
        errors["findings"] = _("Write what you see in the scan.")
    as_known = disclosure.known(scan)
    errors |= own_reading.missing(as_known, reading) or contradictions.told(as_known, reading)
    if reading.agreement is not None and reading.agreement not in set(Agreement):
        errors["agreement"] = _("Choose whether you agree, agree in part, or disagree.")
    errors = text_problems(reading) | errors
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
        agreement=Agreement(reading.agreement) if reading.agreement and _predicted(as_known) else None,
        read_myself=reading.read_myself,
        changed_mind=first_impressions.changed_mind(scan, reading, by=by),
        critical_action=reading.critical_action.strip() if reading.critical else "",
    )
    db.session.add(review)
    critical_results.carry_on(scan, review, by=by)
    review_drafts.discard(scan.id, by=by)  # a colleague's draft stays, so that its text can still be copied
    return review


def _predicted(scan: Scan) -> bool:
    return scan.prediction is not None and scan.prediction.available


def answer_hold(scan: Scan) -> None:
    """Tell the administrator that the requested correction is there; only an administrator lifts the hold."""
    if scan.open_hold is not None:
        scan.open_hold.answered_at = now()


def close(scan_id: uuid.UUID, *, reason: str, by: User) -> ScanClosure:
    """Close an unreadable or wrongly assigned scan; the patient is asked to upload again."""
    scan = workflow.lock(scan_id)
    policies.check_can_close(scan)
    _check_reason(reason)
    closure = ScanClosure(id=uuid.uuid4(), scan_id=scan.id, doctor_id=by.id, reason=reason.strip())
    db.session.add(closure)
    review_drafts.discard_all(scan)
    claims.end(scan.id)
    second_readings.end(scan)
    assignments.end(scan, AssignmentEnd.CLOSED, by=by)
    record("scan.closed", scan, by=by)
    if scan.patient.user is not None:  # nobody else can send a scan again
        owe(MailKind.SCAN_CLOSED, scan.patient.user, scan.id)
    return closure


def set_priority(scan_id: uuid.UUID, wanted: str, *, by: User) -> None:
    """Set the priority; `wanted` is the submitted value. Raises StateConflict, Invalid (`priority`)."""
    scan = workflow.lock(scan_id)
    policies.check_can_close(scan)  # same condition: open and not released
    if wanted not in set(Priority):
        raise Invalid(priority=_("Choose routine or urgent."))
    priority = Priority(wanted)
    if scan.priority is not priority:
        scan.priority = priority
        record("scan.priority_changed", scan, by=by, priority=priority.value)


def correct_kind(scan_id: uuid.UUID, *, was: str, became: str, reason: str = "", by: User) -> KindCorrection:
    """Record that the scan is of another kind than declared. The classifier's answer stays unchanged.

    Both kinds are submitted values; `was` is the kind that the doctor saw. Raises StateConflict when the kind has
    changed meanwhile, Invalid (`kind`, `was`, `reason`).
    """
    scan = workflow.lock(scan_id)
    policies.check_can_correct_kind(scan)
    was, became = _kinds(was, became)
    if scan.kind is not was:
        raise StateConflict(_("Somebody has corrected the kind of this scan in the meantime."))
    if became is was:
        raise Invalid(kind=_("The scan is of this kind already. Choose the other one."))
    check_length(MAX_REASON, reason=reason)
    correction = KindCorrection(
        id=uuid.uuid4(),
        scan_id=scan.id,
        version=len(scan.kind_corrections) + 1,
        doctor_id=by.id,
        was=was,
        became=became,
        reason=reason.strip(),
        status=scan.status,
        after_review=len(scan.reviews),
    )
    db.session.add(correction)
    db.session.flush()  # first: a database trigger allows a new kind only after a correction
    changed_rows(update(Scan).where(Scan.id == scan.id, Scan.kind == was).values(kind=became))
    if scan.open_hold is not None:
        scan.open_hold.answered_at = None  # the signed correction is about the other kind
    record("scan.kind_corrected", scan, by=by, was=was.value, became=became.value)
    db.session.refresh(scan)
    return correction


def _kinds(was: str, became: str) -> tuple[ScanKind, ScanKind]:
    errors = {}
    if became not in set(ScanKind):
        errors["kind"] = _("Choose chest X-ray or cardiac MRI.")
    if was not in set(ScanKind):
        errors["was"] = _("The form did not say which kind you saw. Look at it here.")
    if errors:
        raise Invalid(**errors)
    return ScanKind(was), ScanKind(became)


def add_addendum(
    scan_id: uuid.UUID, *, note: str, critical: bool = False, critical_action: str = "", by: User
) -> Addendum:
    """Add a signed note after release, which may mark a critical result. The caller must make the new report version
    (`reports.services.add_addendum`)."""
    scan = workflow.lock(scan_id)
    policies.check_can_add_addendum(scan)
    if not note.strip():
        raise Invalid(note=_("Write the addendum."))
    check_length(MAX_TEXT, note=note)
    errors = report_fonts.problems(note=note) | critical_problems(critical=critical, action=critical_action)
    if errors:
        raise Invalid(**errors)
    addendum = Addendum(
        id=uuid.uuid4(),
        scan_id=scan.id,
        number=len(scan.addenda) + 1,
        author_id=by.id,
        note=note.strip(),
        critical_action=critical_action.strip(),
    )
    db.session.add(addendum)
    critical_results.carry_on(scan, addendum, by=by)
    record("scan.addendum_added", scan, by=by, number=addendum.number)
    return addendum


def _check_reason(reason: str) -> None:
    if not reason.strip():
        raise Invalid(reason=_("Give the reason; it is kept with the scan."))
    check_length(MAX_REASON, reason=reason)
