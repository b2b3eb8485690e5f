"""A scan's way from upload to mailed report, through the services and the real jobs."""

import pytest

from csss.database import db
from csss.reports import queries
from csss.scans.models import Scan
from csss.scans.states import Status
from tests.factories import Clinic


@pytest.mark.both_databases
def test_an_approved_scan_becomes_a_stored_report_and_an_encrypted_mail(clinic: Clinic) -> None:
    patient = clinic.person("patient")
    clinic.set_passphrase(patient)
    scan_id = clinic.scan(Status.REPORT_READY, patient=patient).id
    clinic.run_jobs()

    scan = db.session.get_one(Scan, scan_id)
    (version,) = queries.versions(scan)
    assert version.version == 1
    mails = [mail for mail in clinic.mail if mail["To"] == patient.email]
    report_mail = mails[-1]
    (attachment,) = report_mail.iter_attachments()
    assert attachment.get_content_type() == "application/pdf"
    assert attachment.get_content() != b""
