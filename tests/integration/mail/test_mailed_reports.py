"""The mail with the report: when it is sent, what is attached, and what it does not tell."""

import io
import re
import uuid
from datetime import timedelta
from email.message import EmailMessage

import pikepdf
import pytest
from sqlalchemy import select

from csss.auth import accounts
from csss.clock import now, pretending
from csss.database import db, transaction
from csss.jobs import runner
from csss.notices.models import MailKind, MailState
from csss.outbox import OutboxJob
from csss.people.models import User
from csss.reports import queries
from csss.reports import services as reports
from csss.scans import services
from csss.scans.models import Scan
from csss.scans.states import Status
from tests.factories import PASSPHRASE, Clinic, reading
from tests.integration.mail.server import MoodyMailbox, message, work


def released(clinic: Clinic, patient: User, **more: object) -> uuid.UUID:
    scan_id = clinic.scan(Status.REPORT_READY, patient=patient, **more).id  # type: ignore[arg-type]
    for _ in range(2):
        work()
    return scan_id


def report_mails(mailbox: MoodyMailbox) -> list[EmailMessage]:
    return [mail for mail in mailbox.mails if mail["Subject"].startswith("Your report is ready")]


def test_the_report_waits_until_the_address_is_confirmed(clinic: Clinic, mailbox: MoodyMailbox) -> None:
    patient = clinic.person("patient", confirmed=False)
    clinic.set_passphrase(patient)
    released(clinic, patient)
    assert report_mails(mailbox) == []
    assert message(MailKind.REPORT_READY).state is MailState.WAITING
    with transaction():
        accounts.confirm_address(patient)
    work()
    work()
    assert len(report_mails(mailbox)) == 1
    assert message(MailKind.REPORT_READY).state is MailState.SENT


def test_the_attached_report_opens_with_the_pass_phrase_only(clinic: Clinic, mailbox: MoodyMailbox) -> None:
    patient = clinic.person("patient")
    clinic.set_passphrase(patient)
    scan_id = released(clinic, patient)
    (mail,) = report_mails(mailbox)
    (attachment,) = mail.iter_attachments()
    content = attachment.get_content()
    assert attachment.get_content_type() == "application/pdf"
    assert attachment.get_filename().endswith("-v1.pdf")
    for wrong in ("", "open my Report", PASSPHRASE + " "):
        with pytest.raises(pikepdf.PasswordError):
            pikepdf.open(io.BytesIO(content), password=wrong)
    with pikepdf.open(io.BytesIO(content), password=PASSPHRASE) as opened:
        assert opened.encryption.R == 6 and opened.encryption.bits == 256  # AES-256 (ISO 32000-2)
        assert len(opened.pages) >= 1
    assert patient.name.encode() not in content
    stored = queries.versions(db.session.get_one(Scan, scan_id))[0]
    assert stored.size < 300_000


def test_the_attached_report_is_named_after_the_day_in_the_hospital(
    clinic: Clinic, mailbox: MoodyMailbox
) -> None:
    """Half past eight in the evening in Greenwich is two in the morning, the day after, in Kolkata."""
    evening = now().replace(hour=20, minute=30) + timedelta(days=1)
    patient = clinic.person("patient")
    clinic.set_passphrase(patient)
    with pretending(evening):
        released(clinic, patient)
    (mail,) = report_mails(mailbox)
    (attachment,) = mail.iter_attachments()
    assert attachment.get_filename() == f"report-{evening + timedelta(days=1):%Y-%m-%d}-v1.pdf"


def test_without_a_pass_phrase_nothing_is_attached(clinic: Clinic, mailbox: MoodyMailbox) -> None:
    patient = clinic.person("patient")
    released(clinic, patient)
    (mail,) = report_mails(mailbox)
    assert list(mail.iter_attachments()) == []
    assert "/patient/" in mail.get_body().get_content()
    assert "pass phrase" in mail.get_body().get_content()


def test_an_addendum_brings_a_second_report_and_a_second_mail(clinic: Clinic, mailbox: MoodyMailbox) -> None:
    patient, doctor = clinic.person("patient"), clinic.person("doctor")
    clinic.set_passphrase(patient)
    scan_id = released(clinic, patient)
    with transaction():
        reports.add_addendum(scan_id, note="Dated wrongly.", by=doctor)
    for _ in range(2):
        work()
    names = [next(iter(mail.iter_attachments())).get_filename() for mail in report_mails(mailbox)]
    assert [name[-7:] for name in names] == ["-v1.pdf", "-v2.pdf"]


def test_reports_go_out_in_their_order_though_the_second_is_made_first(
    clinic: Clinic, mailbox: MoodyMailbox
) -> None:
    """Two workers render, the one with the addendum is quicker: version 1 still comes first, and without the addendum."""
    patient, doctor = clinic.person("patient"), clinic.person("doctor")
    scan_id = clinic.scan(Status.REPORT_READY, patient=patient).id
    with transaction():
        reports.add_addendum(scan_id, note="Dated wrongly.", by=doctor)
    query = select(OutboxJob.id).where(OutboxJob.job == "render_report")
    first, second = db.session.scalars(query.order_by(OutboxJob.created_at)).all()
    runner.perform(second)
    assert list(queries.versions(db.session.get_one(Scan, scan_id))) == []
    runner.perform(first)
    runner.perform(second)
    made = queries.versions(db.session.get_one(Scan, scan_id))
    assert [version.version for version in made] == [1, 2]
    assert made[0].created_at < made[1].created_at


def test_mails_tell_nothing_of_the_case(clinic: Clinic, mailbox: MoodyMailbox) -> None:
    patient = clinic.person("patient", confirmed=False)
    doctor = clinic.person("doctor")
    clinic.set_passphrase(patient)
    clinic_words = ["Zebra sign", "No active disease", "Normal chest", "Amoxicillin", "Cough for two weeks"]
    released(clinic, patient, doctor=doctor, findings="Zebra sign", result=reading("COVID", 0.97))
    closed = clinic.scan(patient=patient, doctor=doctor).id
    with transaction():
        services.close(closed, reason="Fibrosis cannot be judged", by=doctor)
        accounts.confirm_address(patient)
    for _ in range(2):
        work()
    kinds = {mail["Subject"].partition(" – ")[0] for mail in mailbox.mails}
    assert kinds >= {"Your report is ready", "Please upload your scan again", "Confirm your e-mail address"}
    forbidden = [*clinic_words, "COVID", "Fibrosis", "97", "Low", "High", "X-ray", "chest", "pneumonia"]
    for mail in mailbox.mails:
        # An address holds a random id, and that any digits.
        text = re.sub(r"https?://\S+", "", f"{mail['Subject']}\n{mail.get_body().get_content()}")
        for word in forbidden:
            assert word.lower() not in text.lower(), f"{word} stands in {mail['Subject']}"
