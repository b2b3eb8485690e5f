"""Whom and what the events of the audit log are about: the log itself keeps only ids."""

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select

from csss.audit.models import AuditEvent
from csss.auth.models import StaffInvitation
from csss.database import db
from csss.dates import day
from csss.i18n import _
from csss.notices.models import TO_NO_ACCOUNT, MailKind, MailMessage
from csss.people.models import Patient, PatientCorrection, User
from csss.reports.models import ReportVersion
from csss.scans.models import Scan
from csss.scans.presenters import KIND_NAMES

Key = tuple[str, str]  # type and id of the subject, as in the event


@dataclass
class AuditNames:
    """Names for the subjects of some events, and where they have pages. What was erased has no name."""

    words: dict[Key, str] = field(default_factory=dict)
    users: dict[Key, uuid.UUID] = field(default_factory=dict)
    patients: dict[Key, uuid.UUID] = field(default_factory=dict)
    scans: dict[Key, uuid.UUID] = field(default_factory=dict)
    corrections: dict[int, PatientCorrection] = field(default_factory=dict)  # by the number of the event


def names_of(events: Sequence[AuditEvent]) -> AuditNames:
    """One query for each type of subject, however many events there are."""
    found = AuditNames()
    _accounts(found, _ids(events, "user"))
    _scans(found, _ids(events, "scan"))
    _reports(found, _ids(events, "reportversion"))
    _messages(found, _ids(events, "mailmessage"))
    for record in _rows(Patient, _ids(events, "patient")):
        key = ("patient", str(record.id))
        found.patients[key] = record.id
        found.words[key] = _("an erased patient") if record.is_erased else _named(record.name, record.mrn)
    for each in _rows(StaffInvitation, _ids(events, "invitation")):
        found.words["invitation", str(each.id)] = each.name
    asked = {
        event.id: correction
        for event in events
        if event.action == "patient.corrected" and (correction := _uuid(event.detail.get("correction")))
    }
    kept = {each.id: each for each in _rows(PatientCorrection, list(asked.values()))}
    found.corrections = {number: kept[id_] for number, id_ in asked.items() if id_ in kept}
    return found


def _ids(events: Iterable[AuditEvent], kind: str) -> list[uuid.UUID]:
    typed = {event.subject_id for event in events if event.subject_type == kind}
    return [id_ for text in typed if (id_ := _uuid(text))]


def _uuid(text: Any) -> uuid.UUID | None:
    try:
        return uuid.UUID(str(text))
    except ValueError:
        return None


def _rows(table: Any, ids: Sequence[uuid.UUID]) -> Sequence[Any]:
    return db.session.scalars(select(table).where(table.id.in_(ids))).all() if ids else ()


def _accounts(found: AuditNames, ids: Sequence[uuid.UUID]) -> None:
    if not ids:
        return
    query = select(User.id, User.name, User.erased_at, Patient.mrn).outerjoin(
        Patient, Patient.user_id == User.id
    )
    for id_, name, erased_at, mrn in db.session.execute(query.where(User.id.in_(ids))):
        key = ("user", str(id_))
        found.users[key] = id_
        found.words[key] = _("an erased patient") if erased_at is not None else _named(name, mrn)


def _scans(found: AuditNames, ids: Sequence[uuid.UUID]) -> None:
    if not ids:
        return
    query = select(Scan.id, Scan.kind, Scan.uploaded_at, Patient.name, Patient.mrn)
    query = query.join(Patient, Patient.id == Scan.patient_id)
    for id_, kind, at, name, mrn in db.session.execute(query.where(Scan.id.in_(ids))):
        key = ("scan", str(id_))
        found.scans[key] = id_
        found.words[key] = _(
            "%(person)s, %(kind)s of %(day)s", person=_named(name, mrn), kind=KIND_NAMES[kind], day=day(at)
        )


def _reports(found: AuditNames, ids: Sequence[uuid.UUID]) -> None:
    if not ids:
        return
    query = select(ReportVersion.id, ReportVersion.scan_id, ReportVersion.version, Patient.name, Patient.mrn)
    query = query.join(Scan, Scan.id == ReportVersion.scan_id).join(Patient, Patient.id == Scan.patient_id)
    for id_, scan_id, version, name, mrn in db.session.execute(query.where(ReportVersion.id.in_(ids))):
        key = ("reportversion", str(id_))
        found.scans[key] = scan_id
        found.words[key] = _("%(person)s, version %(number)s", person=_named(name, mrn), number=version)


def _messages(found: AuditNames, ids: Sequence[uuid.UUID]) -> None:
    if not ids:
        return
    query = select(MailMessage.id, MailMessage.kind, MailMessage.user_id, User.name, User.erased_at)
    query = query.join(User, User.id == MailMessage.user_id).where(MailMessage.id.in_(ids))
    for id_, kind, user_id, name, erased_at in db.session.execute(query):
        key = ("mailmessage", str(id_))
        if kind in TO_NO_ACCOUNT:  # the person is the administrator who caused it
            invited = kind is MailKind.INVITATION
            found.words[key] = _("somebody who was invited") if invited else _("a patient without an account")
            continue
        found.users[key] = user_id
        found.words[key] = _("an erased patient") if erased_at is not None else name


def _named(name: str, mrn: str | None) -> str:
    return _("%(name)s (MRN %(mrn)s)", name=name, mrn=mrn) if mrn else name
