"""Critical results for tests: a scan whose reading says what somebody must do now."""

import uuid
from datetime import timedelta

from sqlalchemy import update

from csss.clock import now
from csss.database import db, transaction
from csss.people.models import User
from csss.scans import services
from csss.scans.critical_models import CriticalEvent, CriticalResult
from csss.scans.review_text import ReviewText
from csss.scans.states import Agreement, Status
from tests.factories import Clinic
from tests.integration.doctor import LOOKED

CALL = "Call the patient in today."
CRITICAL = {**LOOKED, "critical": "y", "critical_action": CALL}
URGENT_TEXT = ReviewText(
    "Air beside the left lung.",
    "Tension pneumothorax.",
    "Pneumothorax",
    Agreement.DISAGREE,
    critical=True,
    critical_action=CALL,
)


def critical_scan(clinic: Clinic, doctor: User | None = None) -> uuid.UUID:
    """The id of a signed scan with a critical result that nobody has taken note of."""
    doctor_id = (doctor or clinic.person("doctor")).id
    scan_id = clinic.scan(Status.AI_ANALYZED).id
    with transaction():
        services.verify(scan_id, URGENT_TEXT, by=db.session.get_one(User, doctor_id))
    return scan_id


def results(scan_id: uuid.UUID) -> list[CriticalResult]:
    db.session.rollback()
    return list(db.session.query(CriticalResult).filter_by(scan_id=scan_id).order_by(CriticalResult.number))


def events(scan_id: uuid.UUID) -> list[CriticalEvent]:
    db.session.rollback()
    return list(db.session.query(CriticalEvent).filter_by(scan_id=scan_id).order_by(CriticalEvent.at))


def marked_ago(scan_id: uuid.UUID, **span: float) -> None:
    """As if the newest result had been marked this long ago."""
    with transaction():
        newest = results_newest(scan_id)
        db.session.execute(
            update(CriticalResult)
            .where(CriticalResult.id == newest)
            .values(marked_at=now() - timedelta(**span))
        )
    db.session.remove()


def results_newest(scan_id: uuid.UUID) -> uuid.UUID:
    found = db.session.query(CriticalResult).filter_by(scan_id=scan_id).order_by(CriticalResult.number)
    return found.all()[-1].id
