"""Mail over a real SMTP server with STARTTLS: sent once, never in clear, never lost."""

import io
import re
import shutil
import ssl
import uuid
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from email.message import EmailMessage
from pathlib import Path

import pikepdf
import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session
from flask import Flask
from sqlalchemy import select

from csss import create_app
from csss.auth import accounts
from csss.clock import now, pretending
from csss.config import Settings
from csss.database import db, transaction
from csss.jobs import notice_jobs, runner
from csss.notices.models import MailKind, MailMessage, MailState
from csss.outbox import OutboxJob
from csss.people.models import User
from csss.reports import queries
from csss.reports import services as reports
from csss.scans import services
from csss.scans.models import Scan
from csss.scans.states import Status
from tests.conftest import settings_for
from tests.factories import PASSPHRASE, Clinic, reading
from tests.stack import Mailbox, free_port, make_certificate


class MoodyMailbox(Mailbox):
    """Gives the answers it is told to give, then accepts; knows whether the line was encrypted."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.data_answers: list[str] = []
        self.recipient_answers: list[str] = []
        self.drop_line_after_accepting = False
        self.encrypted: list[bool] = []

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.recipient_answers:
            return self.recipient_answers.pop(0)
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        if self.data_answers:
            return self.data_answers.pop(0)
        answer = await super().handle_DATA(server, session, envelope)
        self.encrypted.append(session.ssl is not None)
        if self.drop_line_after_accepting:
            self.drop_line_after_accepting = False
            server.transport.abort()
        return answer

    @property
    def mails(self) -> list[EmailMessage]:
        return [mail for _, mail in self.received]


@pytest.fixture
def mailbox(tmp_path: Path) -> Iterator[MoodyMailbox]:
    mailbox = MoodyMailbox(tmp_path)
    mailbox.start()
    yield mailbox
    mailbox.stop()


@pytest.fixture
def settings(tmp_path: Path, migrated_sqlite: Path, mailbox: MoodyMailbox) -> Settings:
    shutil.copy(migrated_sqlite, tmp_path / "csss.db")
    return settings_for(
        tmp_path,
        mail_folder="",
        mail_server="127.0.0.1",
        mail_port=mailbox.port,
        mail_ca_file=str(mailbox.certificate),
    )


def work(*, kill: bool = False) -> None:
    """A mail worker does everything that is open, once."""
    rows = select(OutboxJob.id).where(OutboxJob.done_at.is_(None), OutboxJob.failed_at.is_(None))
    for row_id in db.session.scalars(rows.order_by(OutboxJob.created_at)).all():
        if kill:
            with pytest.raises(Killed):
                runner.perform(row_id)
        else:
            runner.perform(row_id)
    db.session.rollback()


def message(kind: MailKind = MailKind.CONFIRM_ADDRESS) -> MailMessage:
    db.session.rollback()
    return db.session.scalars(select(MailMessage).where(MailMessage.kind == kind)).one()


def row_of(owed: MailMessage) -> OutboxJob:
    rows = db.session.scalars(select(OutboxJob).where(OutboxJob.job == "send_mail")).all()
    return next(row for row in rows if row.args == [str(owed.id)])


def use(app: Flask, **changes: object) -> None:
    app.config["CSSS"] = replace(app.config["CSSS"], **changes)  # type: ignore[arg-type]


class Killed(BaseException):
    """The process is gone."""


# Sending


def test_a_message_is_sent_once_over_an_encrypted_line(clinic: Clinic, mailbox: MoodyMailbox) -> None:
    user = clinic.person("doctor", confirmed=False)
    work()
    work()
    runner.perform(row_of(message()).id)
    notice_jobs.send_mail(message().id)
    (mail,) = mailbox.mails
    assert mail["To"] == user.email
    assert mail["Message-ID"] == message().message_id
    assert mail["Message-ID"].endswith("@csss.example>")
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["X-CSSS-Repeated"] is None
    assert mailbox.encrypted == [True]
    assert message().state is MailState.SENT
    assert message().sent_at is not None


@pytest.mark.parametrize("changes", ["another authority", "the system's authorities", "another name"])
def test_a_certificate_that_is_not_right_is_refused(
    clinic: Clinic, mailbox: MoodyMailbox, tmp_path: Path, changes: str
) -> None:
    if changes == "another name":
        use(clinic.app, mail_server="localhost")
    else:
        (tmp_path / "other").mkdir()
        other = make_certificate(tmp_path / "other") if changes == "another authority" else ""
        use(clinic.app, mail_ca_file=str(other))
    clinic.person("doctor", confirmed=False)
    work()
    assert mailbox.mails == []
    assert (message().state, message().maybe_repeated) == (MailState.QUEUED, False)
    assert "certificate verify failed" in message().last_error
    use(clinic.app, mail_server="127.0.0.1", mail_ca_file=str(mailbox.certificate))
    work()
    assert len(mailbox.mails) == 1


def test_nothing_is_sent_in_clear_when_the_server_offers_no_encryption(
    clinic: Clinic, mailbox: MoodyMailbox
) -> None:
    port = free_port()
    plain = Controller(mailbox, hostname="127.0.0.1", port=port)
    plain.start()
    try:
        use(clinic.app, mail_port=port)
        clinic.person("doctor", confirmed=False)
        work()
        assert mailbox.mails == []
        assert message().state is MailState.QUEUED
        use(clinic.app, mail_starttls=False)  # what a deployer may say of a server on the same machine
        work()
        assert mailbox.encrypted == [False]
    finally:
        plain.stop()


def test_while_the_server_is_down_nothing_is_lost_and_then_it_is_sent_once(
    clinic: Clinic, mailbox: MoodyMailbox
) -> None:
    mailbox.stop()
    clinic.person("doctor", confirmed=False)
    for _ in range(12):
        work()
    assert message().state is MailState.QUEUED
    assert "Connection refused" in message().last_error
    row = row_of(message())
    assert row.failed_at is None
    assert (
        timedelta(minutes=7) < row.due_at - now() <= timedelta(minutes=10)
    )  # the pauses grow, to ten minutes, each a little different
    mailbox.start()
    work()
    work()
    (mail,) = mailbox.mails
    assert mail["X-CSSS-Repeated"] is None
    assert message().state is MailState.SENT


def test_a_server_down_for_a_day_is_outlasted(clinic: Clinic) -> None:
    handler = runner.HANDLERS["send_mail"]
    waited = sum((handler.pause(n) for n in range(1, handler.attempts)), timedelta())
    assert waited > timedelta(hours=24)


@pytest.mark.parametrize("where", ["data_answers", "recipient_answers"])
def test_an_answer_of_400_is_tried_again(clinic: Clinic, mailbox: MoodyMailbox, where: str) -> None:
    setattr(mailbox, where, ["451 greylisted"])
    clinic.person("doctor", confirmed=False)
    work()
    assert (message().state, mailbox.mails) == (MailState.QUEUED, [])
    assert message().last_error == "The mail server answered 451: greylisted"
    work()
    (mail,) = mailbox.mails
    assert mail["X-CSSS-Repeated"] is None


@pytest.mark.parametrize("where", ["data_answers", "recipient_answers"])
def test_an_answer_of_500_ends_it_at_once(clinic: Clinic, mailbox: MoodyMailbox, where: str) -> None:
    setattr(mailbox, where, ["550 no such person"])
    clinic.person("doctor", confirmed=False)
    work()
    work()
    assert (message().state, message().attempts) == (MailState.FAILED, 1)
    assert message().last_error == "The mail server answered 550: no such person"
    assert mailbox.mails == []


def test_a_wrong_password_of_ours_is_no_reason_to_give_a_message_up(
    clinic: Clinic, mailbox: MoodyMailbox
) -> None:
    """The deployer mends it, and everything goes."""
    use(clinic.app, mail_username="csss", mail_password="wrong")
    clinic.person("doctor", confirmed=False)
    work()
    assert message().state is MailState.QUEUED
    use(clinic.app, mail_username="", mail_password="")
    work()
    assert len(mailbox.mails) == 1


def test_after_all_attempts_the_administrator_sees_that_it_failed(
    clinic: Clinic, mailbox: MoodyMailbox
) -> None:
    mailbox.stop()
    clinic.person("doctor", confirmed=False)
    with transaction():
        row_of(message()).attempts = runner.HANDLERS["send_mail"].attempts - 1
    work()
    assert message().state is MailState.FAILED
    assert "Connection refused" in message().last_error
    assert row_of(message()).failed_at is not None


# Broken off


def test_a_crash_after_the_server_took_it_repeats_the_same_message_and_says_so(
    clinic: Clinic, mailbox: MoodyMailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    clinic.person("doctor", confirmed=False)

    def die(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(notice_jobs, "_keep", die)
        work(kill=True)
    db.session.rollback()
    assert message().state is MailState.SENDING
    work()  # its lease still holds: nobody may touch it
    assert len(mailbox.mails) == 1
    _lease_is_over(row_of(message()).id)
    work()
    first, second = mailbox.mails
    assert first["Message-ID"] == second["Message-ID"] == message().message_id
    assert (first["X-CSSS-Repeated"], second["X-CSSS-Repeated"]) == (None, "possibly")
    assert message().state is MailState.SENT
    work()
    assert len(mailbox.mails) == 2


def test_a_crash_before_the_server_was_asked_repeats_nothing(
    clinic: Clinic, mailbox: MoodyMailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    clinic.person("doctor", confirmed=False)

    def die(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(notice_jobs, "_draft", die)
        work(kill=True)
    db.session.rollback()
    _lease_is_over(row_of(message()).id)
    work()
    (mail,) = mailbox.mails
    assert mail["X-CSSS-Repeated"] is None


def test_when_the_line_breaks_after_the_last_word_the_repetition_is_marked(
    clinic: Clinic, mailbox: MoodyMailbox
) -> None:
    """The server has it, we never heard so: the same Message-ID lets the mailbox see that it is one message."""
    mailbox.drop_line_after_accepting = True
    clinic.person("doctor", confirmed=False)
    work()
    assert message().state is MailState.SENDING
    work()
    first, second = mailbox.mails
    assert first["Message-ID"] == second["Message-ID"]
    assert second["X-CSSS-Repeated"] == "possibly"


def _lease_is_over(row_id: uuid.UUID) -> None:
    with transaction():
        db.session.get_one(OutboxJob, row_id).leased_until = now() - timedelta(seconds=1)


# Reports


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
    """Two reports workers, the addendum's the quicker one: version 1 still comes first, and without the addendum."""
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


def test_the_demo_writes_files_instead(tmp_path: Path, migrated_sqlite: Path, mailbox: MoodyMailbox) -> None:
    folder = tmp_path / "demo"
    folder.mkdir()
    shutil.copy(migrated_sqlite, folder / "csss.db")
    app = create_app(settings_for(folder))
    with app.app_context():
        clinic = Clinic(app)
        clinic.person("doctor", confirmed=False)
        clinic.run_jobs()
        (mail,) = clinic.mail
        assert mail["Message-ID"] == message().message_id
        assert mailbox.mails == []
        db.session.remove()
        db.engine.dispose()


def test_the_server_of_these_tests_insists_on_encryption(mailbox: MoodyMailbox) -> None:
    """So that the tests above prove something."""
    import smtplib

    with smtplib.SMTP("127.0.0.1", mailbox.port, timeout=5) as line:
        line.ehlo()
        assert line.mail("a@csss.example")[0] == 530
        line.starttls(context=ssl.create_default_context(cafile=str(mailbox.certificate)))
        line.ehlo()
        assert line.mail("a@csss.example")[0] == 250
