"""Lock a patient while something is added to their record."""

from sqlalchemy import select

from csss.database import db
from csss.errors import NotFound
from csss.i18n import gettext as _
from csss.people.models import Patient, User


def held(user: User) -> Patient:
    """The patient record of this account, locked until the transaction ends. Belongs inside transaction().

    Of two concurrent requests, the second sees what the first has done. Raises NotFound for an account without a
    record, and for somebody who was erased while the request was in transit.
    """
    query = select(Patient).where(Patient.user_id == user.id).with_for_update(of=Patient)
    patient = db.session.scalars(query.execution_options(populate_existing=True)).one_or_none()
    # Query after the lock is held, and separately: a join would return the state from before the wait.
    if patient is None or db.session.scalar(select(User.erased_at).where(User.id == user.id)) is not None:
        raise NotFound(_("There is no such patient."))
    return patient
