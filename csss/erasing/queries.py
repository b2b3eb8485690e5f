"""Look up, for administrators, who is due for erasing, who is on hold, and who has been erased."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from flask import current_app
from sqlalchemy import func, select
from sqlalchemy.orm import contains_eager

from csss.clock import now
from csss.database import db
from csss.erasing.models import Erasure, LegalHold
from csss.paging import ListPage, page_of, place
from csss.people.models import Patient, User
from csss.scans.models import Scan

PAGE_SIZE = 25


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
    last = func.coalesce(newest.c.at, User.created_at)
    query = (
        select(Patient, last)
        .join(User, User.id == Patient.user_id)
        .outerjoin(newest, newest.c.patient_id == Patient.id)
        .where(User.erased_at.is_(None), last < now() - timedelta(days=days))
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


def erasures(page: int = 1) -> ListPage[Erasure]:
    """The newest first."""
    return page_of(select(Erasure).order_by(Erasure.at.desc(), Erasure.id), page, PAGE_SIZE)


def erasure_of(patient: Patient) -> Erasure | None:
    return db.session.scalars(select(Erasure).where(Erasure.patient_id == patient.id)).one_or_none()


def holds_of(patient: Patient) -> Sequence[LegalHold]:
    """All legal holds of a patient, newest first."""
    query = select(LegalHold).where(LegalHold.patient_id == patient.id)
    return db.session.scalars(query.order_by(LegalHold.placed_at.desc(), LegalHold.id)).all()


def scans_of(patient: Patient) -> int:
    return db.session.scalar(select(func.count()).where(Scan.patient_id == patient.id)) or 0
