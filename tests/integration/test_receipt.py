"""Whoever sends a scan gets a receipt by mail: it names nobody and says nothing about the scan."""

import io
from email.message import EmailMessage

from sqlalchemy import select

from csss.database import db
from csss.notices.models import MailKind, MailMessage, MailState
from tests.factories import Clinic, picture
from tests.visitor import Visitor


def send(patient: Visitor) -> str:
    sent = {
        "kind": "chest_xray",
        "indication": "Blood in the sputum",
        "file": (io.BytesIO(picture()), "a.png"),
    }
    answer = patient.post("/patient/scans", sent)
    assert answer.status_code == 303
    return str(answer.location)


def mailed(clinic: Clinic) -> list[EmailMessage]:
    return [mail for mail in clinic.mail if mail["Subject"].startswith("We have received your upload")]


def receipts() -> list[MailMessage]:
    db.session.remove()
    return list(db.session.scalars(select(MailMessage).where(MailMessage.kind == MailKind.SCAN_RECEIVED)))


def test_it_comes_once_and_says_only_that_something_has_arrived(clinic: Clinic) -> None:
    patient = clinic.visitor(clinic.person("patient", name="Asha Raman"))
    address = send(patient)
    assert send(patient) == address, "the same form twice"
    clinic.run_jobs()
    (mail,) = mailed(clinic)
    text = mail.get_content()
    assert mail["To"] == patient.user.email
    assert address in text
    for word in ("Asha", "Raman", "X-ray", "chest", "sputum", patient.user.patient.mrn):
        assert word.lower() not in (text + mail["Subject"]).lower(), word


def test_an_address_that_nobody_has_confirmed_gets_none(clinic: Clinic) -> None:
    patient = clinic.visitor(clinic.person("patient", confirmed=False))
    send(patient)
    clinic.run_jobs()
    assert not mailed(clinic)
    assert [each.state for each in receipts()] == [MailState.DROPPED]


def test_of_a_scan_that_was_withdrawn_meanwhile_none_is_sent(clinic: Clinic) -> None:
    patient = clinic.visitor(clinic.person("patient"))
    assert patient.post(f"{send(patient)}/withdraw").status_code == 303
    clinic.run_jobs()
    assert not mailed(clinic)
