"""Name and address of people without an account to whom messages went."""

import uuid
from collections.abc import Sequence

from sqlalchemy import select

from csss.auth import invitations as staff
from csss.database import db
from csss.notices.models import MailKind, MailMessage
from csss.people.models import Patient
from csss.records import invitations
from csss.reports.models import ReportVersion
from csss.scans.models import Scan


def without_account(messages: Sequence[MailMessage]) -> dict[uuid.UUID, tuple[str, str]]:
    """By the subject of the message. Those who are erased are missing."""

    def about(kind: MailKind) -> list[uuid.UUID]:
        return [each.subject_id for each in messages if each.kind is kind]

    found = {each.id: (each.name, each.email) for each in staff.by_id(about(MailKind.INVITATION)).values()}
    for invited in invitations.by_id(about(MailKind.RECORD_INVITATION)).values():
        found[invited.id] = (invited.patient.name, invited.email)
    if ids := about(MailKind.CONFIRM_RECORD_ADDRESS):
        query = select(Patient).where(Patient.id.in_(ids), Patient.erased_at.is_(None))
        found |= {each.id: (each.name, each.contact_email) for each in db.session.scalars(query)}
    if ids := about(MailKind.RECORD_REPORT):
        of_versions = (
            select(ReportVersion.id, Patient)
            .join(Scan, Scan.id == ReportVersion.scan_id)
            .join(Patient, Patient.id == Scan.patient_id)
            .where(ReportVersion.id.in_(ids))
        )
        rows = db.session.execute(of_versions)
        found |= {id_: (patient.name, patient.contact_email) for id_, patient in rows}
    return found
