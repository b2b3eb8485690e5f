"""A scan as staff see it: the patient, the doctor's reading, the pictures, the history."""

import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from flask import url_for
from flask_babel.speaklater import LazyString

from csss.i18n import _, _l
from csss.people import merged
from csss.people.models import User
from csss.people.roles import Role
from csss.prescriptions import allergies, stated_facts
from csss.prescriptions.allergies import AllergiesAsked
from csss.prescriptions.models import Prescription
from csss.reports.models import ReportVersion
from csss.scans import critical_results
from csss.scans.critical_models import CriticalStep
from csss.scans.models import Review, Scan
from csss.scans.presenters import KIND_NAMES, kind_and_sent
from csss.scans.states import HoldFor, Priority, RunState, Status
from csss.scans.stored_sentences import in_words
from csss.web.filters import address, day, when
from csss.web.scan_view import ClassifierView, age_and_sex, classifier_view
from csss.web.stated_fields import KIDNEY_WORDS, PREGNANCY_WORDS


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
    """The values of a scan that all staff pages show; a doctor's page has more (`csss.web.doctor.reading`)."""

    id: uuid.UUID
    patient: str
    has_account: bool
    allergies: str
    allergies_state: AllergiesAsked
    facts: tuple[tuple[str, str | None], ...]
    urgent: bool
    image_url: str
    width: int
    height: int
    classifier: ClassifierView | None
    not_available: str | None  # why it was read without the classifier
    answer_hidden: bool  # analysed, and this person is not to know what came of it
    unsigned: bool  # the doctor has taken the signature under the reading back
    review: Review | None
    earlier_reviews: tuple[Review, ...]  # newest first


def scan_view(scan: Scan, facts: tuple[tuple[str, str | None], ...]) -> ScanView:
    """The values for a staff page. `facts` are the facts about patient and scan that the role needs."""
    prediction = scan.prediction
    return ScanView(
        id=scan.id,
        patient=scan.patient.name,
        has_account=scan.patient.user is not None,
        allergies=scan.patient.allergies,
        allergies_state=allergies.state(scan.patient.allergies),
        facts=facts,
        urgent=scan.priority is Priority.URGENT,
        image_url=url_for("files.image", scan_id=scan.id),
        width=scan.width,
        height=scan.height,
        classifier=classifier_view(scan),
        not_available=in_words(prediction.reason)
        if prediction is not None and not prediction.available
        else None,
        answer_hidden=prediction is None and scan.status is not Status.PENDING_AI,
        unsigned=scan.open_hold is not None and scan.open_hold.taken_back is not None,
        review=scan.review,
        earlier_reviews=tuple(scan.reviews[-2::-1]),
    )


def patient_facts(scan: Scan) -> tuple[tuple[str, str | None], ...]:
    """Who the patient is and how to reach them, for pharmacists and administrators."""
    record = scan.patient
    scan_words = _("%(kind)s, uploaded %(when)s", kind=kind_and_sent(scan), when=when(scan.uploaded_at))
    return (
        (_("MRN"), record.mrn),
        *merged_facts(scan),
        (_("Born"), day(record.date_of_birth)),
        (_("At the scan"), age_and_sex(scan)),
        (_("Blood group"), record.blood_group or None),
        (_("Phone"), record.phone or None),
        (_("E-mail"), address(record.contact_email) if record.contact_email else None),
        (_("Address"), record.address or None),
        (_("Scan"), scan_words),
        (_("Indication"), scan.indication or None),
        *stated_view(scan),
    )


def merged_facts(scan: Scan) -> tuple[tuple[str, str | None], ...]:
    """Nobody may take a scan for the patient's own without knowing that a merge of two records has brought it."""
    origin = merged.origin_of(scan.id)
    if origin is None:
        return ()
    words = _(
        "%(name)s, MRN %(mrn)s, until %(person)s merged the two records on %(moment)s",
        name=origin.name,
        mrn=origin.mrn,
        person=origin.by,
        moment=when(origin.at),
    )
    return ((_("This scan came with the record of"), words),)


def stated_view(scan: Scan) -> tuple[tuple[str, str | None], ...]:
    """What the patient or the pharmacist has said for the prescription."""
    known = stated_facts.known(scan)
    typed = stated_facts.as_typed(known)
    kidneys = [KIDNEY_WORDS[known.kidney]] if known.kidney else []
    kidneys += [_("eGFR %(egfr)s", egfr=known.egfr)] if known.egfr is not None else []
    return (
        (_("Weight"), _("%(kg)s kg", kg=typed.weight) if typed.weight else None),
        (_("Pregnant or breast-feeding"), PREGNANCY_WORDS[known.pregnancy] if known.pregnancy else None),
        (_("Kidneys"), ", ".join(map(str, kidneys)) or None),
        (_("Medicines taken now"), known.medicines or None),
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


_CRITICAL_STEPS: dict[CriticalStep, LazyString] = {
    CriticalStep.ACKNOWLEDGED: _l("Critical result taken note of"),
    CriticalStep.ESCALATED: _l(
        "Nobody had taken note of the critical result: administrators and the doctor were told"
    ),
    CriticalStep.WITHDRAWN: _l("Critical result withdrawn"),
}


_Told = tuple[datetime, str, str, User | None, str | None]


def _holds(scan: Scan) -> Iterator[_Told]:
    """What has kept the scan with somebody, and what can no longer be taken back."""
    if scan.opening is not None:
        words = _("Opened by the pharmacist")
        yield scan.opening.opened_at, words, "info", scan.opening.pharmacist, None
    for hold in scan.holds:
        if hold.taken_back is not None:  # what ends it is the next version of the reading
            yield hold.placed_at, _("Signature taken back"), "warn", hold.placed_by, None
            continue
        yield hold.placed_at, str(_CORRECTION_BY[hold.to]), "warn", hold.placed_by, hold.note
        if hold.lifted_at is not None:
            yield hold.lifted_at, _("Hold lifted"), "info", None, None


def _critical(scan: Scan) -> Iterator[_Told]:
    """What became of the scan's critical results."""
    for result in critical_results.of(scan.id) if scan.reviews else ():
        yield result.marked_at, _("Critical result marked"), "bad", result.marked_by, result.action
        for each in result.events:
            tone = "ok" if each.what is CriticalStep.ACKNOWLEDGED else "warn"
            yield each.at, str(_CRITICAL_STEPS[each.what]), tone, each.person, None


def _together(scan: Scan) -> Iterator[_Told]:
    """Who had the scan, and who was asked for a second reading; no word of what was written."""
    for each in scan.assignments:
        words = _("Assigned to %(doctor)s", doctor=each.to.name)
        yield each.assigned_at, words, "info", each.by, each.note or None
    for asked in scan.second_requests:
        yield asked.asked_at, _("Second reading asked for"), "info", asked.asked_by, None
        if asked.second is not None:
            yield asked.second.written_at, _("Second reading written"), "info", asked.second.doctor, None
        if asked.withdrawn_by is not None and asked.ended_at is not None:
            yield asked.ended_at, _("Request for a second reading ended"), "info", asked.withdrawn_by, None


def history(
    scan: Scan,
    prescriptions: Sequence[Prescription] = (),
    versions: Sequence[ReportVersion] = (),
    *,
    failures: bool = False,
    steps: Mapping[Status, LazyString] = STEPS,
) -> list[Event]:
    """The events of a scan, oldest first; failed analyses only for people who can try again."""
    told: list[_Told] = []
    without = scan.prediction is not None and not scan.prediction.available
    for event in scan.events:
        words = str(steps[event.became])
        if event.became is Status.PENDING_AI and event.actor.role is not Role.PATIENT:
            words = _("Brought for the patient")
        if without and event.became is Status.AI_ANALYZED:
            words = _("To be read without the classifier")
        # On arrival (CSSS_ANALYSE) nobody asked for the analysis: the sender is no part of it.
        asked = event.became is not Status.AI_ANALYZED or event.actor.role is not Role.PATIENT
        told.append((event.at, words, "info", event.actor if asked else None, None))
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
    told += [*_holds(scan), *_critical(scan), *_together(scan)]
    if scan.closure is not None:
        closed = scan.closure
        words = _("Withdrawn by the patient") if closed.withdrawn else _("Closed")
        told.append((closed.closed_at, words, "bad", closed.doctor, closed.reason or None))
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
