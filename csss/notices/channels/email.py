"""Compose e-mails and hand them to the mail server, or in the demo to a folder."""

import os
import re
import smtplib
import ssl
from pathlib import Path
from types import TracebackType

from flask import Flask, current_app
from flask_mail import Connection, Mail, Message

from csss.hospital import current
from csss.i18n import _
from csss.notices.channels import NoLineError, NotTakenError, RefusedError
from csss.notices.models import MailKind, MailMessage
from csss.notices.texts import Draft
from csss.paths import private_folder

TIMEOUT_SECONDS = 10


class _Connection(Connection):
    """Flask-Mail's connection with a timeout, a verified certificate, and a QUIT that may fail."""

    def configure_host(self) -> smtplib.SMTP:
        """Raises NoLineError: any failure here, a wrong password included, is a fault of our setup or of the
        server."""
        settings = current_app.config["CSSS"]
        host = None
        try:
            host = smtplib.SMTP(settings.mail_server, settings.mail_port, timeout=TIMEOUT_SECONDS)
            if settings.mail_starttls:
                host.starttls(context=ssl.create_default_context(cafile=settings.mail_ca_file or None))
            if settings.mail_username:
                host.login(settings.mail_username, settings.mail_password)
        except (smtplib.SMTPException, OSError) as error:
            if host is not None:
                host.close()
            raise NoLineError(f"No line to the mail server: {error}") from error
        return host

    def __exit__(self, exc_type: type[BaseException], exc_value: BaseException, tb: TracebackType) -> None:
        # The message has already been accepted; a failing QUIT must not look like a failed sending.
        try:
            super().__exit__(exc_type, exc_value, tb)
        except (smtplib.SMTPException, OSError):
            current_app.logger.info("the mail server closed the line before QUIT")


mail = Mail()


def init_mail(app: Flask) -> None:
    settings = app.config["CSSS"]
    app.config.update(MAIL_DEFAULT_SENDER=settings.mail_from, MAIL_DEBUG=False, MAIL_SUPPRESS_SEND=False)
    mail.init_app(app)


def compose(message: MailMessage, draft: Draft) -> Message:
    """The outgoing message: plain text, with the Message-ID assigned when it was queued."""
    settings = current_app.config["CSSS"]
    name, hospital = message.user.name, current.hospital().name
    if message.kind is MailKind.CODE:  # a number in an address or a name must not be mistaken for the code
        name, hospital = _without_numbers(name), _without_numbers(hospital)
    # The plain environment: a mail knows nothing of requests, sessions and navigation.
    body = current_app.jinja_env.get_template(f"email/{draft.template}.txt").render(
        name=name,
        hospital=hospital,
        base_url=settings.base_url.rstrip("/"),
        **draft.values,
    )
    headers = {"Auto-Submitted": "auto-generated"}
    if message.maybe_repeated:
        headers["X-CSSS-Repeated"] = "possibly"
    subject = _("%(subject)s – %(hospital)s", subject=draft.subject, hospital=hospital)
    composed = Message(
        subject=" ".join(
            subject.split()
        ),  # one line, whatever a setting contains: a line break would end the header
        recipients=[draft.to or message.user.email],
        body=body,
        extra_headers=headers,
    )
    composed.msgId = message.message_id
    if draft.attachment is not None:
        composed.attach(draft.attachment.name, draft.attachment.media_type, draft.attachment.content)
    return composed


def _without_numbers(text: str) -> str:
    return re.sub(r"\d{6,}", "…", text)


def send(message: Message) -> None:
    """Send now. Raises RefusedError or NotTakenError; after any other error it is unknown whether the message was
    accepted."""
    folder = current_app.config["CSSS"].mail_folder
    if folder:
        _write(Path(folder), message)
        return
    try:
        with _Connection(current_app.extensions["mail"]) as connection:
            connection.send(message)
    except smtplib.SMTPRecipientsRefused as error:
        code, text = next(iter(error.recipients.values()))
        raise _sorted_out(code, text) from error
    except smtplib.SMTPDataError as error:
        raise _sorted_out(error.smtp_code, error.smtp_error) from error
    except smtplib.SMTPResponseException as error:
        # This concerns our setup (greeting, sender, sign-in), not the message: it is sent once that is fixed.
        raise NotTakenError(f"The mail server answered {error.smtp_code}: {error.smtp_error!r}") from error


def answers() -> bool:
    """Whether the mail server accepts our sign-in now."""
    if current_app.config["CSSS"].mail_folder:
        return True
    try:
        with _Connection(current_app.extensions["mail"]):
            return True
    except NoLineError:
        return False


def _sorted_out(code: int, text: bytes | str) -> Exception:
    words = text.decode(errors="replace") if isinstance(text, bytes) else text
    kind = RefusedError if code >= 500 else NotTakenError
    return kind(f"The mail server answered {code}: {words}")


def _write(folder: Path, message: Message) -> None:
    private_folder(folder)
    name = message.msgId.strip("<>").partition("@")[0]
    partial = folder / f"{name}.partial"
    with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(message.as_bytes())
    partial.replace(folder / f"{name}.eml")


def remove_copy(message_id: str) -> None:
    """Where mail is written to a folder: delete the copy of this message. A message that was sent cannot be
    recalled."""
    folder = current_app.config["CSSS"].mail_folder
    if folder:
        for name in (f"{message_id}.eml", f"{message_id}.partial"):
            (Path(folder) / name).unlink(missing_ok=True)
