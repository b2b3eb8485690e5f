"""A scan as pharmacists and administrators see it: the patient, the doctor's reading, the pictures, the history."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from flask import url_for
from flask_babel.speaklater import LazyString

from csss.i18n import _, _l
from csss.people.models import User
from csss.prescriptions import allergies
from csss.prescriptions.allergies import AllergiesAsked
from csss.prescriptions.models import Prescription
from csss.reports.models import ReportVersion
from csss.scans.models import Review, Scan
from csss.scans.presenters import AGREEMENT_NAMES, KIND_NAMES, Tag, kind_and_sent, status_for_staff
from csss.scans.states import HoldFor, Priority, RunState, Status
from csss.scans.stored_sentences import in_words
from csss.web.filters import address, day, when
from csss.web.scan_view import ClassifierView, age_and_sex, classifier_view


@dataclass(frozen=True)
class ReviewView:
    """One version of the doctor's reading."""

    version: int
    author: str
    written_at: datetime
    findings: str
    impression: str
    diagnosis: str
    agreement: str | None
    read_myself: bool


@dataclass(frozen=True)
class Event:
    """What components/timeline.html shows."""

    title: str
    when: str
    iso: str
    tone: str
    who: str | None
    note: str | None


@dataclass(frozen=True)
class ScanView:
    """Plain values for templates/components of both roles."""

    id: uuid.UUID
    patient: str
    allergies: str
    allergies_state: AllergiesAsked
    facts: tuple[tuple[str, str | None], ...]
    kind: str
    indication: str
    tag: Tag
    urgent: bool
    image_url: str
    width: int
    height: int
    classifier: ClassifierView | None
    not_available: str | None
    review: ReviewView | None
    earlier_reviews: tuple[ReviewView, ...]  # newest first


def scan_view(scan: Scan) -> ScanView:
    record, prediction = scan.patient, scan.prediction
    reviews = [review_view(review) for review in scan.reviews]
    return ScanView(
        id=scan.id,
        patient=record.user.name,
        allergies=record.allergies,
        allergies_state=allergies.state(record.allergies),
        facts=(
            (_("MRN"), record.mrn),
            (_("Born"), day(record.date_of_birth)),
            (_("At the scan"), age_and_sex(scan)),
            (_("Blood group"), record.blood_group or None),
            (_("Phone"), record.phone or None),
            (_("E-mail"), address(record.user.email)),
            (_("Address"), record.address or None),
            (
                _("Scan"),
                _("%(kind)s, uploaded %(when)s", kind=kind_and_sent(scan), when=when(scan.uploaded_at)),
            ),
            (_("Indication"), scan.indication or None),
        ),
        kind=KIND_NAMES[scan.kind],
        indication=scan.indication,
        tag=status_for_staff(scan),
        urgent=scan.priority is Priority.URGENT,
        image_url=url_for("files.image", scan_id=scan.id),
        width=scan.width,
        height=scan.height,
        classifier=classifier_view(scan),
        not_available=in_words(prediction.reason)
        if prediction is not None and not prediction.available
        else None,
        review=reviews[-1] if reviews else None,
        earlier_reviews=tuple(reviews[-2::-1]),
    )


def review_view(review: Review) -> ReviewView:
    return ReviewView(
        version=review.version,
        author=review.doctor.name,
        written_at=review.created_at,
        findings=review.findings,
        impression=review.impression,
        diagnosis=review.diagnosis,
        agreement=AGREEMENT_NAMES[review.agreement] if review.agreement else None,
        read_myself=review.read_myself,
    )


STEPS: dict[Status, LazyString] = {
    Status.PENDING_AI: _l("Uploaded by the patient"),
    Status.AI_ANALYZED: _l("Analysed"),
    Status.DOCTOR_VERIFIED: _l("Verified by the doctor"),
    Status.PHARMACIST_COMPLETED: _l("Prescription completed"),
    Status.REPORT_READY: _l("Report approved"),
}
_CORRECTION_BY: dict[HoldFor, LazyString] = {
    HoldFor.DOCTOR: _l("Correction by the doctor asked for"),
    HoldFor.PHARMACIST: _l("Correction by the pharmacist asked for"),
}


def history(
    scan: Scan,
    prescriptions: Sequence[Prescription] = (),
    versions: Sequence[ReportVersion] = (),
    *,
    failures: bool = False,
    steps: Mapping[Status, LazyString] = STEPS,
) -> list[Event]:
    """Everything that has happened with a scan, oldest first; failed analyses only for whoever can try again."""
    told: list[tuple[datetime, str, str, User | None, str | None]] = []
    without = scan.prediction is not None and not scan.prediction.available
    for event in scan.events:
        words = str(steps[event.became])
        if without and event.became is Status.AI_ANALYZED:
            words = _("To be read without the classifier")
        told.append((event.at, words, "info", event.actor, None))
    for run in scan.runs if failures else ():
        if run.state is RunState.FAILED:
            why = in_words(run.failure)
            told.append((run.finished_at or run.requested_at, _("Analysis failed"), "bad", None, why))
    for each in scan.kind_corrections:
        words = _(
            "Kind corrected from %(was)s to %(became)s",
            was=KIND_NAMES[each.was],
            became=KIND_NAMES[each.became],
        )
        told.append((each.corrected_at, words, "warn", each.doctor, each.reason or None))
    for review in scan.reviews[1:]:
        words = _("Reading corrected (version %(number)s)", number=review.version)
        told.append((review.created_at, words, "info", review.doctor, None))
    for written in prescriptions[1:]:
        words = _("Prescription corrected (version %(number)s)", number=written.version)
        told.append((written.created_at, words, "info", written.pharmacist, None))
    for hold in scan.holds:
        told.append((hold.placed_at, str(_CORRECTION_BY[hold.to]), "warn", hold.placed_by, hold.note))
        if hold.lifted_at is not None:
            told.append((hold.lifted_at, _("Hold lifted"), "info", None, None))
    if scan.closure is not None:
        told.append((scan.closure.closed_at, _("Closed"), "bad", scan.closure.doctor, scan.closure.reason))
    for addendum in scan.addenda:
        told.append(
            (
                addendum.created_at,
                _("Addendum %(number)s", number=addendum.number),
                "info",
                addendum.author,
                None,
            )
        )
    for version in versions:
        told.append(
            (
                version.created_at,
                _("Report version %(number)s stored", number=version.version),
                "ok",
                None,
                None,
            )
        )
    return [
        Event(title, when(at), at.isoformat(), tone, who.name if who else None, note)
        for at, title, tone, who, note in sorted(told, key=lambda each: each[0])
    ]
