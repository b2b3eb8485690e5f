"""Holding a patient while something is added to what is kept of them."""

from sqlalchemy import select

from csss.database import db
from csss.errors import NotFound
from csss.i18n import gettext as _
from csss.people.models import Patient, User


def held(user: User) -> Patient:
    """The patient record of this account, held until the transaction ends. Belongs inside transaction().

    Of two at once the second one sees what the first has done. Raises NotFound for an account without a record, and for
    somebody who has been erased while the request was on its way.
    """
    query = select(Patient).where(Patient.user_id == user.id).with_for_update(of=Patient)
    patient = db.session.scalars(query.execution_options(populate_existing=True)).one_or_none()
    # Asked after the lock is held, and on its own: a join would be answered with what was true before the wait.
    if patient is None or db.session.scalar(select(User.erased_at).where(User.id == user.id)) is not None:
        raise NotFound(_("There is no such patient."))
    return patient
