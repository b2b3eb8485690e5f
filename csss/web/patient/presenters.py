"""A scan in a patient's words. Nothing of the classifier or the doctor is said before the report is released."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from flask import url_for

from csss.auth.models import User
from csss.reports import queries as reports
from csss.reports.models import ReportVersion
from csss.scans.models import Addendum, Review, Scan
from csss.scans.presenters import KIND_NAMES, Tag, status_for_patient
from csss.scans.states import Status
from csss.web.filters import day, when
from csss.web.scan_view import ClassifierView, VersionView, classifier_view, version_view


@dataclass(frozen=True)
class Row:
    """One scan in the list."""

    url: str
    kind: str
    uploaded: str
    indication: str
    tag: Tag
    report_url: str | None


@dataclass(frozen=True)
class Event:
    """What components/timeline.html shows."""

    title: str
    when: str
    iso: str
    tone: str
    who: str | None = None
    note: str | None = None


@dataclass(frozen=True)
class Hint:
    """Something to do in the account before a report can be mailed."""

    title: str
    text: str
    words: str


@dataclass(frozen=True)
class Released:
    """What a patient sees once the report is released: the doctor's words first, the classifier's after them."""

    newest: VersionView
    older: tuple[VersionView, ...]
    review: Review | None
    addenda: tuple[Addendum, ...]
    classifier: ClassifierView | None


@dataclass(frozen=True)
class ScanPage:
    """Everything on the page of one scan."""

    id: uuid.UUID
    url: str
    image_url: str
    title: str
    tag: Tag
    sentence: str
    steps: tuple[tuple[str, str, str | None], ...]
    facts: tuple[tuple[str, str], ...]
    events: tuple[Event, ...]
    width: int
    height: int
    closed_reason: str | None
    released: Released | None
    refreshes: bool


_EVENTS: dict[Status, str] = {
    Status.PENDING_AI: "You uploaded the scan",
    Status.AI_ANALYZED: "The scan went to a doctor",
    Status.DOCTOR_VERIFIED: "A doctor read the scan",
    Status.PHARMACIST_COMPLETED: "A pharmacist looked at it",
    Status.REPORT_READY: "The hospital approved the report",
}
_SENTENCES: dict[Status, str] = {
    Status.PENDING_AI: "We have your scan. A doctor will look at it; you need not do anything.",
    Status.AI_ANALYZED: "A doctor is going to read your scan. You need not do anything.",
    Status.DOCTOR_VERIFIED: "A doctor has read your scan. A pharmacist looks at it next.",
    Status.PHARMACIST_COMPLETED: "The doctor and the pharmacist are done. The hospital checks the report last.",
    Status.REPORT_READY: "Your report has been approved and is being made. This takes a minute.",
}
_READY = "Your report is ready. Please talk about it with your doctor."
_CLOSED = "This scan will not be read. Please upload a new picture."


def rows(scans: Sequence[Scan]) -> list[Row]:
    """The list, with one query for all reports."""
    newest = reports.newest_versions([scan.id for scan in scans])
    return [_row(scan, newest.get(scan.id)) for scan in scans]


def _row(scan: Scan, version: ReportVersion | None) -> Row:
    released = scan.status is Status.REPORT_READY and version is not None
    return Row(
        url=url_for("patient.scan", scan_id=scan.id),
        kind=KIND_NAMES[scan.kind],
        uploaded=day(scan.uploaded_at),
        indication=scan.indication,
        tag=status_for_patient(scan, released=released),
        report_url=url_for("files.report", report_id=version.id) if version and released else None,
    )


def hints(user: User) -> list[Hint]:
    """What is missing before a report can come by e-mail."""
    found = []
    if user.email_confirmed_at is None:
        found.append(
            Hint(
                "Confirm your e-mail address",
                f"We have sent a link to {user.email}. Until you open it, no report is mailed to you.",
                "Open my account",
            )
        )
    if user.patient is not None and user.patient.report_passphrase is None:
        found.append(
            Hint(
                "Set a report pass phrase",
                "With it your report can come as a protected attachment. Without it, the mail only tells you "
                "to sign in here.",
                "Set a pass phrase",
            )
        )
    return found


def scan_page(scan: Scan) -> ScanPage:
    versions = reports.versions(scan) if scan.status is Status.REPORT_READY else []
    released = _released(scan, versions) if versions else None
    closure = scan.closure
    return ScanPage(
        id=scan.id,
        url=url_for("patient.scan", scan_id=scan.id),
        image_url=url_for("files.image", scan_id=scan.id),
        title=KIND_NAMES[scan.kind],
        tag=status_for_patient(scan, released=released is not None),
        sentence=_CLOSED if closure else _READY if released else _SENTENCES[scan.status],
        steps=_steps(scan, versions),
        facts=(
            ("Kind", KIND_NAMES[scan.kind]),
            ("Uploaded", when(scan.uploaded_at)),
            ("Reason you gave", scan.indication),
            ("Picture", f"{scan.width} × {scan.height} pixels"),
        ),
        events=_events(scan, versions),
        width=scan.width,
        height=scan.height,
        closed_reason=closure.reason if closure else None,
        released=released,
        refreshes=closure is None and released is None,
    )


def _released(scan: Scan, versions: Sequence[ReportVersion]) -> Released:
    views = [version_view(version) for version in versions]
    return Released(views[-1], tuple(views[-2::-1]), scan.review, tuple(scan.addenda), classifier_view(scan))


def _steps(scan: Scan, versions: Sequence[ReportVersion]) -> tuple[tuple[str, str, str | None], ...]:
    """The five stations: what is behind the scan, where it is (or was closed), what is to come."""
    at = {event.became: event.at for event in scan.events}
    stations = (
        ("Received", scan.uploaded_at),
        ("Doctor", at.get(Status.DOCTOR_VERIFIED)),
        ("Pharmacist", at.get(Status.PHARMACIST_COMPLETED)),
        ("Final approval", at.get(Status.REPORT_READY)),
        ("Report", versions[0].created_at if versions else None),
    )
    here = next((place for place, (_, done_at) in enumerate(stations) if done_at is None), len(stations))
    steps: list[tuple[str, str, str | None]] = []
    for place, (words, done_at) in enumerate(stations):
        if done_at is not None:
            steps.append((words, "done", day(done_at)))
        elif place > here:
            steps.append((words, "todo", None))
        else:
            steps.append((words, "stopped" if scan.closure is not None else "now", None))
    return tuple(steps)


def _events(scan: Scan, versions: Sequence[ReportVersion]) -> tuple[Event, ...]:
    told: list[tuple[datetime, str, str, str | None]] = [
        (event.at, _EVENTS[event.became], "info", None) for event in scan.events
    ]
    if scan.closure is not None:
        told.append((scan.closure.closed_at, "A doctor closed the scan", "bad", scan.closure.reason))
    for version in versions:
        words = "Your report was released" if version.version == 1 else "A new version of the report was made"
        told.append((version.created_at, words, "ok", None))
    return tuple(
        Event(title, when(at), at.isoformat(), tone, note=note)
        for at, title, tone, note in sorted(told, key=lambda each: each[0])
    )
