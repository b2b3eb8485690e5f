"""Queries for administrators around a release: what waits for it, what was released, what was mailed."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import Select, Subquery, bindparam, case, func, or_, select
from sqlalchemy.orm import InstrumentedAttribute

from csss.auth.models import CodePurpose
from csss.auth.second_factor import SentCode, sent_code
from csss.database import db
from csss.notices.models import MailKind, MailMessage
from csss.paging import ListPage, page_of
from csss.people import search as searching
from csss.people.models import Patient, User
from csss.prescriptions.models import Prescription
from csss.reports import queries
from csss.reports.models import Approval, ReportVersion
from csss.scans.list_rows import ListedScan, rows_of
from csss.scans.models import Review, Scan, ScanClosure, ScanHold
from csss.scans.queries import PAGE_SIZE, on_top
from csss.scans.states import Agreement, Status


class SignedReading(NamedTuple):
    """What a list shows of the doctor's current version."""

    doctor: str
    findings: str
    impression: str
    diagnosis: str
    agreement: Agreement | None


@dataclass(frozen=True)
class Signers:
    """The current versions and their authors; None where nothing has been written yet."""

    review: SignedReading | None = None
    pharmacist: str | None = None


@dataclass(frozen=True)
class Release:
    """One released scan: who approved it, the newest stored version, and the mail about that version."""

    approval: Approval
    scan: Scan
    version: ReportVersion | None
    message: MailMessage | None


def waiting(*, search: str = "", page: int = 1) -> ListPage[ListedScan]:
    """Scans that wait for an administrator: critical results first, then answered holds, then what can be approved, then
    unanswered holds.

    Within each group, urgent first, then the longest waiting.
    """
    query, order = _waiting()
    words = searching.values(search)
    if words:
        query = query.where(Scan.patient_id.in_(searching.patients()))
    first = on_top()
    order = order if first is None else (first, *order)
    ids = page_of(query.order_by(*order), page, PAGE_SIZE, words)
    return ids.with_rows(rows_of(ids.rows))


@cache
def _waiting() -> tuple[Select[uuid.UUID], tuple[Any, ...]]:
    """Select the ids of waiting scans and their order; cached."""
    held = select(ScanHold.scan_id).where(ScanHold.lifted_at.is_(None), ScanHold.taken_back.is_(None))
    answered = held.where(ScanHold.answered_at.is_not(None))
    turn = case((Scan.id.in_(answered), 0), (Scan.id.in_(held), 2), else_=1)
    return (
        select(Scan.id)
        # A list of ids, not EXISTS, so that both sides of the OR use an index.
        .where(or_(Scan.status == Status.PHARMACIST_COMPLETED, Scan.id.in_(held)))
        .where(Scan.id.not_in(select(ScanClosure.scan_id)))
    ), (turn, Scan.priority.desc(), Scan.status_since, Scan.id)


def signers(ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, Signers]:
    """Who wrote the current review and prescription of each of these scans (two queries)."""
    reading, prescribing = _signers()
    wanted = {"ids": list(ids)}
    reviews = {
        row.scan_id: SignedReading(row.doctor, row.findings, row.impression, row.diagnosis, row.agreement)
        for row in db.session.execute(reading, wanted)
    }
    pharmacists = {row.scan_id: row.pharmacist for row in db.session.execute(prescribing, wanted)}
    return {each: Signers(reviews.get(each), pharmacists.get(each)) for each in ids}


@cache
def _signers() -> tuple[Any, Any]:
    """Build the two statements; cached."""
    last = _newest(Review.scan_id, Review.version)
    reading = (
        select(
            *(Review.scan_id, User.name.label("doctor"), Review.findings),
            *(Review.impression, Review.diagnosis, Review.agreement),
        )
        .join(User, User.id == Review.doctor_id)
        .join(last, (last.c.scan_id == Review.scan_id) & (last.c.version == Review.version))
    )
    last = _newest(Prescription.scan_id, Prescription.version)
    prescribing = (
        select(Prescription.scan_id, User.name.label("pharmacist"))
        .join(User, User.id == Prescription.pharmacist_id)
        .join(last, (last.c.scan_id == Prescription.scan_id) & (last.c.version == Prescription.version))
    )
    return reading, prescribing


def released(*, search: str = "", page: int = 1) -> ListPage[Release]:
    """List releases, newest first, each with the state of its mail, in a fixed number of queries."""
    query = select(Approval.scan_id)
    words = searching.values(search)
    if words:
        query = query.join(Scan, Approval.scan_id == Scan.id)
        query = query.where(Scan.patient_id.in_(searching.patients()))
    ids = page_of(query.order_by(Approval.approved_at.desc(), Approval.id), page, PAGE_SIZE, words)
    rows = db.session.execute(
        select(Scan, Approval).join(Approval, Approval.scan_id == Scan.id).where(Scan.id.in_(ids.rows))
    )
    both = {scan.id: (scan, approval) for scan, approval in rows}
    found = [both[each] for each in ids.rows if each in both]  # one may have been erased meanwhile
    newest = queries.newest_versions([scan.id for scan, _ in found])
    messages = report_messages([version.id for version in newest.values()])
    releases = []
    for scan, approval in found:
        stored = newest.get(scan.id)
        releases.append(Release(approval, scan, stored, messages.get(stored.id) if stored else None))
    return ids.with_rows(releases)


def report_messages(version_ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, MailMessage]:
    """The mail to the patient about each of these report versions, by the version's id."""
    # Naming the patients as well lets the query use the unique index, which begins with kind and person.
    of_scans = select(Scan.patient_id).join(ReportVersion, ReportVersion.scan_id == Scan.id)
    people = select(Patient.user_id).where(
        Patient.id.in_(of_scans.where(ReportVersion.id.in_(version_ids))), Patient.user_id.is_not(None)
    )
    # To a patient without an account it goes in the name of the administrator who has approved it.
    releasing = (
        select(Approval.admin_id)
        .join(ReportVersion, ReportVersion.scan_id == Approval.scan_id)
        .where(ReportVersion.id.in_(version_ids))
    )
    found: dict[uuid.UUID, MailMessage] = {}
    for kind, whom in ((MailKind.RECORD_REPORT, releasing), (MailKind.REPORT_READY, people)):
        messages = db.session.scalars(
            select(MailMessage).where(
                MailMessage.kind == kind,
                MailMessage.user_id.in_(whom),
                MailMessage.subject_id.in_(version_ids),
            )
        )
        found |= {message.subject_id: message for message in messages}
    return found


def approval_code(user: User, subject_id: uuid.UUID, session_id: uuid.UUID) -> SentCode | None:
    """The newest code that this session requested to approve this scan or batch."""
    return sent_code(user, CodePurpose.APPROVAL, subject_id, session_id)


def _newest(scan_id: InstrumentedAttribute[uuid.UUID], version: InstrumentedAttribute[int]) -> Subquery:
    """The newest version number for each of the scans `ids`."""
    return (
        select(scan_id.label("scan_id"), func.max(version).label("version"))
        .where(scan_id.in_(bindparam("ids", expanding=True)))
        .group_by(scan_id)
        .subquery()
    )


def audit_subjects(text: str) -> Sequence[str]:
    """The ids under which the audit log may have entries for this text: an id itself, or everything that belongs to
    a patient's MRN."""
    patient = db.session.execute(select(Patient.id, Patient.user_id).where(Patient.mrn == text)).one_or_none()
    if patient is None:
        return [] if text.isdigit() else [text.lower()]
    scans = db.session.scalars(select(Scan.id).where(Scan.patient_id == patient.id)).all()
    versions = db.session.scalars(select(ReportVersion.id).where(ReportVersion.scan_id.in_(scans))).all()
    people = [each for each in (patient.user_id, patient.id) if each is not None]
    return [str(each) for each in (*people, *scans, *versions)]
