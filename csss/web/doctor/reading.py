"""The reading page in words: what is known about the scan, what has happened, and which forms may be sent now."""

import uuid
from dataclasses import dataclass
from datetime import timedelta

from flask import url_for

from csss import clock
from csss.reports import queries as reports
from csss.scans import policies, queries
from csss.scans.models import AnalysisRun, Review, Scan, ScanHold
from csss.scans.presenters import (
    AGREEMENT_NAMES,
    KIND_NAMES,
    PRIORITY_NAMES,
    Tag,
    status_for_staff,
)
from csss.scans.services import needs_own_reading
from csss.scans.states import HoldFor, Priority, RunState, Status
from csss.web.filters import ago, day, when
from csss.web.scan_view import ClassifierView, VersionView, age_and_sex, classifier_view, version_view
from csss.web.staff_view import STEPS, Event, history

OTHER_SCANS = 8


@dataclass(frozen=True)
class Analysis:
    """How the machine is getting on with a scan that waits for it."""

    url: str
    page_url: str
    running: bool
    since: str | None
    poll: str  # how long the page waits until it asks again: the longer it has taken, the longer
    failures: tuple[tuple[str, str], ...]  # (when, why), the newest last
    done: bool


@dataclass(frozen=True)
class Other:
    """Another scan of the same patient."""

    url: str
    words: str
    tag: Tag


@dataclass(frozen=True)
class WrittenReview:
    """One version of the doctor's reading."""

    version: int
    doctor: str
    written: str
    findings: str
    impression: str
    diagnosis: str
    agreement: str | None
    read_myself: bool


@dataclass(frozen=True)
class May:
    """Which forms are shown: those that may be sent now."""

    analyse: bool
    read_without: bool
    verify: bool
    correct: bool
    close: bool
    add_addendum: bool


@dataclass(frozen=True)
class ReadingPage:
    """Everything on the page of one scan, as a doctor sees it."""

    id: uuid.UUID
    url: str
    patient: str
    facts: tuple[tuple[str, str], ...]
    allergies: str
    indication: str
    kind: str
    uploaded: str
    waiting: str
    tag: Tag
    priority: str
    urgent: bool
    image_url: str
    width: int
    height: int
    analysis: Analysis | None
    classifier: ClassifierView | None
    not_available: str | None
    needs_own_reading: bool
    needs_reason: bool
    may: May
    hold: ScanHold | None
    review: WrittenReview | None
    earlier: tuple[WrittenReview, ...]
    closed: tuple[str, str, str] | None  # reason, who, when
    addenda: tuple[tuple[str, str, str], ...]  # title, note, anchor
    versions: tuple[VersionView, ...]
    awaits_report: bool
    events: tuple[Event, ...]
    others: tuple[Other, ...]


def reading_page(scan: Scan) -> ReadingPage:
    versions = reports.versions(scan) if scan.status is Status.REPORT_READY else []
    reviews = [_review(review) for review in scan.reviews]
    prediction, closure = scan.prediction, scan.closure
    return ReadingPage(
        id=scan.id,
        url=url_for("doctor.scan", scan_id=scan.id),
        patient=scan.patient.user.name,
        facts=(
            ("MRN", scan.patient.mrn),
            ("At the scan", age_and_sex(scan)),
            ("Born", day(scan.patient.date_of_birth)),
        ),
        allergies=scan.patient.allergies,
        indication=scan.indication,
        kind=KIND_NAMES[scan.kind],
        uploaded=when(scan.uploaded_at),
        waiting=ago(scan.uploaded_at),
        tag=status_for_staff(scan),
        priority=PRIORITY_NAMES[scan.priority],
        urgent=scan.priority is Priority.URGENT,
        image_url=url_for("files.image", scan_id=scan.id),
        width=scan.width,
        height=scan.height,
        analysis=analysis(scan) if scan.status is Status.PENDING_AI and closure is None else None,
        classifier=classifier_view(scan),
        not_available=prediction.reason if prediction is not None and not prediction.available else None,
        needs_own_reading=needs_own_reading(scan),
        needs_reason=policies.needs_reason_to_read_without(scan),
        may=_may(scan),
        hold=scan.open_hold,
        review=reviews[-1] if reviews else None,
        earlier=tuple(reviews[-2::-1]),
        closed=(closure.reason, closure.doctor.name, when(closure.closed_at)) if closure else None,
        addenda=tuple(
            (f"Addendum {each.number}", each.note, f"{each.author.name}, {when(each.created_at)}")
            for each in scan.addenda
        ),
        versions=tuple(version_view(version) for version in reversed(versions)),
        awaits_report=scan.status is Status.REPORT_READY and len(versions) <= len(scan.addenda),
        events=tuple(history(scan, versions=versions, failures=True, steps=_STEPS)),
        others=_others(scan),
    )


def _may(scan: Scan) -> May:
    return May(
        analyse=policies.may(policies.check_can_analyse, scan),
        read_without=policies.may(policies.check_can_read_without_classifier, scan),
        verify=policies.may(policies.check_can_verify, scan),
        correct=policies.may(policies.check_can_correct, scan, HoldFor.DOCTOR),
        close=policies.may(policies.check_can_close, scan),
        add_addendum=policies.may(policies.check_can_add_addendum, scan),
    )


def analysis(scan: Scan) -> Analysis:
    run = scan.latest_run
    running = run is not None and run.state in {RunState.QUEUED, RunState.RUNNING}
    return Analysis(
        url=url_for("doctor.analysis_state", scan_id=scan.id),
        page_url=url_for("doctor.scan", scan_id=scan.id),
        running=running,
        since=ago(run.requested_at) if run is not None and running else None,
        poll=_poll(run) if run is not None else "",
        failures=tuple(
            (when(each.finished_at or each.requested_at), each.failure)
            for each in scan.runs
            if each.state is RunState.FAILED
        ),
        done=scan.status is not Status.PENDING_AI or scan.closure is not None,
    )


def _poll(run: AnalysisRun) -> str:
    """An analysis takes a second; one that has not come after minutes is not worth asking for all the time."""
    waited = clock.now() - run.requested_at
    if waited < timedelta(seconds=30):
        return "2s"
    return "10s" if waited < timedelta(minutes=5) else "60s"


def _review(review: Review) -> WrittenReview:
    return WrittenReview(
        version=review.version,
        doctor=review.doctor.name,
        written=when(review.created_at),
        findings=review.findings,
        impression=review.impression,
        diagnosis=review.diagnosis,
        agreement=AGREEMENT_NAMES[review.agreement] if review.agreement else None,
        read_myself=review.read_myself,
    )


_STEPS = {**STEPS, Status.PHARMACIST_COMPLETED: "Completed by the pharmacist"}


def _others(scan: Scan) -> tuple[Other, ...]:
    page = queries.scans_of(scan.patient.user)
    found = [other for other in page.scans if other.id != scan.id][:OTHER_SCANS]
    return tuple(
        Other(
            url_for("doctor.scan", scan_id=other.id),
            f"{KIND_NAMES[other.kind]}, {day(other.uploaded_at)}",
            status_for_staff(other),
        )
        for other in found
    )
