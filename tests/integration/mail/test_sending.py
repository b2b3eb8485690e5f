"""A message is sent once over an encrypted line, whatever the server answers and wherever the worker is interrupted."""

import shutil
import ssl
import uuid
from datetime import timedelta
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller

from csss import create_app
from csss.clock import now
from csss.database import db, transaction
from csss.jobs import notice_jobs, runner
from csss.notices.models import MailState
from csss.outbox import OutboxJob
from tests.conftest import settings_for
from tests.factories import Clinic
from tests.integration.mail.server import Killed, MoodyMailbox, message, row_of, use, work
from tests.stack import free_port, make_certificate

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
    """The deployer corrects the password, and everything is sent."""
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


# Interrupted


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
    work()  # its lease has not ended: no other worker takes it
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
    """The server has the message, but its answer was lost: the same Message-ID shows the mailbox that it is one message."""
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
    """Without this the tests above would prove nothing."""
    import smtplib

    with smtplib.SMTP("127.0.0.1", mailbox.port, timeout=5) as line:
        line.ehlo()
        assert line.mail("a@csss.example")[0] == 530
        line.starttls(context=ssl.create_default_context(cafile=str(mailbox.certificate)))
        line.ehlo()
        assert line.mail("a@csss.example")[0] == 250
