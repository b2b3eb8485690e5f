"""Lock a patient while something is added to their record."""

import uuid

from sqlalchemy import ColumnElement, select

from csss.database import db
from csss.errors import NotFound
from csss.i18n import gettext as _
from csss.people.models import Patient, User


def held(user: User) -> Patient:
    """The patient record of this account, locked until the transaction ends. Belongs inside transaction().

    Of two concurrent requests, the second sees what the first has done. Raises NotFound for an account without a
    record, and for somebody who was erased while the request was in transit.
    """
    return _held(Patient.user_id == user.id)


def held_record(patient_id: uuid.UUID) -> Patient:
    """This patient record, with an account or without, locked in the same way. Raises NotFound, also for a record that
    has become part of another one."""
    return _held(Patient.id == patient_id)


def _held(which: ColumnElement[bool]) -> Patient:
    query = select(Patient).where(which).with_for_update(of=Patient)
    patient = db.session.scalars(query.execution_options(populate_existing=True)).one_or_none()
    if patient is None or patient.merged_at is not None or patient.erased_at is not None:
        raise NotFound(_("There is no such patient."))
    if patient.user_id is not None:
        # Query after the lock is held, and separately: a join would return the state from before the wait.
        at = db.session.scalar(select(User.erased_at).where(User.id == patient.user_id))
        if at is not None:
            raise NotFound(_("There is no such patient."))
    return patient
