"""A mail server that answers as it is told, and the worker that sends to it."""

from dataclasses import replace
from email.message import EmailMessage
from pathlib import Path

import pytest
from aiosmtpd.smtp import SMTP, Envelope, Session
from flask import Flask
from sqlalchemy import select

from csss.database import db
from csss.jobs import runner
from csss.notices.models import MailKind, MailMessage
from csss.outbox import OutboxJob
from tests.stack import Mailbox


class MoodyMailbox(Mailbox):
    """Gives the answers it is told to give, then accepts; records whether the line was encrypted."""

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


def work(*, kill: bool = False) -> None:
    """Do every open job once, as a mail worker does."""
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
    """The worker process was killed."""
