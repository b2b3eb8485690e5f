"""How far a one-time code that was sent by e-mail has come, for the pages that ask for one."""

from dataclasses import dataclass

from csss import clock
from csss.auth.second_factor import SentCode
from csss.i18n import _, _n
from csss.notices.models import MailState
from csss.web.filters import when


@dataclass(frozen=True)
class CodeView:
    """How far the mailed code has come. `moving` asks the page to look again soon."""

    kind: str
    text: str
    moving: bool


def code_view(
    sent: SentCode | None,
    address: str,
    minutes: int,
    *,
    reports: int | None = None,
    patient: bool = False,
) -> CodeView | None:
    """None when there is no code that could still be used or could still arrive.

    `reports` is how many it is for, where it is for several; `patient` that it is for erasing one.
    """
    if sent is None or sent.code.used_at is not None or sent.code.cancelled_at is not None:
        return None
    expires = sent.code.expires_at
    if expires is not None and clock.now() >= expires:
        return CodeView("warn", _("The code that was sent has expired. Ask for a new one."), moving=False)
    state = sent.message.state if sent.message else MailState.QUEUED
    if state is MailState.SENT and expires is not None:
        until = when(expires).rpartition(", ")[2]
        if patient:
            text = _(
                "A code was sent to %(address)s. It works until %(time)s, once, and for this patient only.",
                address=address,
                time=until,
            )
        elif reports is None:
            text = _(
                "A code was sent to %(address)s. It works until %(time)s, once, and for this scan only.",
                address=address,
                time=until,
            )
        else:
            text = _n(
                "A code was sent to %(address)s. It works until %(time)s, once, and for this report only.",
                "A code was sent to %(address)s. It works until %(time)s, once, and for these %(num)s reports only.",
                reports,
                address=address,
                time=until,
            )
        return CodeView("ok", text, moving=False)
    if state in {MailState.FAILED, MailState.DROPPED}:
        text = _(
            "The code could not be sent to %(address)s. Use your authenticator app or a recovery code, or ask for a "
            "new code.",
            address=address,
        )
        return CodeView("bad", text, moving=False)
    if sent.message is not None and sent.message.last_error:
        text = _(
            "The mail server has not taken the code for %(address)s yet; it is tried again. Your authenticator app or "
            "a recovery code works at once.",
            address=address,
        )
        return CodeView("warn", text, moving=True)
    text = _n(
        "A code is on its way to %(address)s. It will work for %(num)s minute.",
        "A code is on its way to %(address)s. It will work for %(num)s minutes.",
        minutes,
        address=address,
    )
    return CodeView("info", text, moving=True)
