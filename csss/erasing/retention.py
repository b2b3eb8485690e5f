"""The retention rules: whose data is due for erasing, and who is kept by a legal hold."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from flask import current_app
from sqlalchemy import func, select
from sqlalchemy.orm import contains_eager

from csss.clock import now
from csss.database import db
from csss.erasing.models import LegalHold
from csss.erasing.queries import PAGE_SIZE
from csss.paging import ListPage, place
from csss.people.models import Patient, User
from csss.scans.models import Scan


@dataclass(frozen=True)
class Due:
    """A patient whose retention time is over. `held`: a legal hold keeps the data longer."""

    patient: Patient
    last: datetime
    held: bool

    @property
    def days(self) -> int:
        """For how many whole days nothing has happened."""
        return (now() - self.last).days


def due(page: int = 1) -> ListPage[Due]:
    """Patients without activity for `CSSS_RETENTION_DAYS`: since the last step of a scan, or without scans since
    the registration. Nobody when the setting says that data is kept for ever."""
    days: int = current_app.config["CSSS"].retention_days
    if not days:
        return ListPage((), 1, 0, PAGE_SIZE)
    newest = (
        select(Scan.patient_id, func.max(Scan.status_since).label("at")).group_by(Scan.patient_id).subquery()
    )
    last = func.coalesce(newest.c.at, User.created_at, Patient.created_at)
    query = (
        select(Patient, last)
        .outerjoin(User, User.id == Patient.user_id)
        .outerjoin(newest, newest.c.patient_id == Patient.id)
        # A merged record is erased together with the one that it has become part of.
        .where(User.erased_at.is_(None), Patient.erased_at.is_(None), Patient.merged_at.is_(None))
        .where(last < now() - timedelta(days=days))
    )
    total = db.session.scalar(query.with_only_columns(func.count(), maintain_column_froms=True)) or 0
    page, skip = place(page, total, PAGE_SIZE)
    rows = db.session.execute(
        query.options(contains_eager(Patient.user)).order_by(last, Patient.id).limit(PAGE_SIZE).offset(skip)
    ).all()
    held = _held([patient.id for patient, _ in rows])
    found = [Due(patient, at, patient.id in held) for patient, at in rows]
    return ListPage(found, page, total, PAGE_SIZE)


def _held(patient_ids: Sequence[uuid.UUID]) -> set[uuid.UUID]:
    query = select(LegalHold.patient_id).where(
        LegalHold.lifted_at.is_(None), LegalHold.patient_id.in_(patient_ids)
    )
    return set(db.session.scalars(query))
