"""Confirm the e-mail address of a patient without an account, so that reports may be mailed to it.

A link to the address leads to a page that asks for the birth date: an address may have been written down wrongly, and
whoever opens somebody else's mail must not get the reports. There the patient may set the pass phrase of the mailed
reports; without one the mail only says that a report lies ready.
"""

import uuid
from datetime import date, timedelta

from flask import current_app
from itsdangerous import BadSignature, URLSafeTimedSerializer
from sqlalchemy import select

from csss.audit.record import record
from csss.auth import passphrases
from csss.clock import now
from csss.database import db
from csss.errors import Invalid, NotFound
from csss.i18n import _
from csss.notices.models import MailKind
from csss.notices.services import owe_again
from csss.people import patients
from csss.people.models import Patient, User
from csss.reports import queries
from csss.reports import services as reports
from csss.scans.models import Scan

LIFE = timedelta(days=7)


def ask(patient: Patient, *, by: User) -> None:
    """Mail the link to the address of this record. Belongs inside transaction()."""
    patient.email_confirmed_at = None
    owe_again(MailKind.CONFIRM_RECORD_ADDRESS, by, patient.id)


def _serializer() -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(current_app.config["SECRET_KEY"], salt="confirm-record-address")


def token_of(patient: Patient) -> str:
    """A signed token, bound to the address, valid for a week."""
    return str(_serializer().dumps([str(patient.id), patient.email]))


def patient_of(token: str) -> Patient | None:
    """The record whose address this link confirms; None when the link is not ours, too old, or pointless by now."""
    try:
        patient_id, email = _serializer().loads(token, max_age=int(LIFE.total_seconds()))
        patient = db.session.get(Patient, uuid.UUID(patient_id))
    except (BadSignature, ValueError, TypeError):
        return None
    if patient is None or not email or patient.email != email or patient.user_id is not None:
        return None
    return None if patient.is_erased or patient.merged_at is not None else patient


def confirm(token: str, *, date_of_birth: date | None, passphrase: str) -> Patient:
    """Confirm the address, and set the pass phrase if one was typed. Belongs inside transaction().

    Raises NotFound for a link that does not work any more, Invalid (`date_of_birth`, `report_passphrase`).
    """
    found = patient_of(token)
    if found is None:
        raise NotFound(_("This link does not work any more."))
    patient = patients.held_record(found.id)
    if patient_of(token) is None:
        raise NotFound(_("This link does not work any more."))
    if date_of_birth != patient.date_of_birth:
        raise Invalid(date_of_birth=_("This is not the date of birth that the hospital has."))
    if passphrase:
        passphrases.set_for_record(patient, passphrase)
    if patient.email_confirmed_at is None:
        patient.email_confirmed_at = now()
        record("patient.address_confirmed", patient)
        _tell_of_reports(patient)
    return patient


def _tell_of_reports(patient: Patient) -> None:
    """Mail what was released before the address was confirmed."""
    scans = db.session.scalars(select(Scan.id).where(Scan.patient_id == patient.id)).all()
    for version in queries.newest_versions(scans).values():
        reports.tell_patient(version)
