"""Look up, for administrators, the legal holds of a patient and who has been erased."""

from collections.abc import Sequence

from sqlalchemy import func, select

from csss.database import db
from csss.erasing.models import Erasure, LegalHold
from csss.paging import ListPage, page_of
from csss.people.models import Patient
from csss.scans.models import Scan

PAGE_SIZE = 25


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
