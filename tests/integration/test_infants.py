"""An infant's age stands in days or months wherever an age stands, and at the scan's date where that counts."""

import uuid
from datetime import timedelta

import pytest

from benchmarks.report import plain_environment
from csss.clock import now, pretending
from csss.database import db, transaction
from csss.reports.build import report_context
from csss.reports.document import report_html
from csss.scans.models import Scan
from csss.scans.states import Status
from tests.factories import Clinic
from tests.visitor import words


def scan_of_a_child(clinic: Clinic, status: Status, days: int) -> uuid.UUID:
    parent = clinic.person("patient", name="Baby Example")
    with transaction():
        assert parent.patient is not None
        today = now().astimezone(clinic.app.config["CSSS"].zone).date()  # in the evening not the day of UTC
        parent.patient.date_of_birth = today - timedelta(days=days)
    return clinic.scan(status, patient=parent).id


def report_of(scan_id: uuid.UUID) -> str:
    scan = db.session.get_one(Scan, scan_id)
    return report_html(report_context(scan, report_id="1", version=1), plain_environment())


@pytest.mark.parametrize(
    ("days", "age", "short"),
    [(12, "12 days", "12 d"), (160, "5 months", "5 mo"), (600, "19 months", "19 mo")],
)
def test_pages_and_report_tell_an_infants_age(clinic: Clinic, days: int, age: str, short: str) -> None:
    doctor, pharmacist, admin = (
        clinic.visitor(clinic.person(role)) for role in ("doctor", "pharmacist", "admin")
    )
    read = scan_of_a_child(clinic, Status.AI_ANALYZED, days)
    verified = scan_of_a_child(clinic, Status.DOCTOR_VERIFIED, days)
    done = scan_of_a_child(clinic, Status.PHARMACIST_COMPLETED, days)
    pages = [
        words(doctor.get("/doctor/")),
        words(doctor.get(f"/doctor/scans/{read}")),
        words(pharmacist.get(f"/pharmacist/scans/{verified}")),
        words(admin.get(f"/admin/scans/{done}")),
    ]
    for page in pages:
        assert f"{age}, female" in page and "0 years" not in page
    assert f" {short} " in words(pharmacist.get("/pharmacist/"))
    assert f"{age} at the scan, female" in report_of(done)


def test_the_report_tells_the_age_at_the_scan_however_late_it_is_made(clinic: Clinic) -> None:
    done = scan_of_a_child(clinic, Status.PHARMACIST_COMPLETED, 160)
    with pretending(now() + timedelta(days=400)):
        assert "5 months at the scan" in report_of(done)
