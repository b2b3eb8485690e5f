"""The state of the mailed code on the page of the second step. It never claims more than the mail server has accepted."""

from dataclasses import dataclass
from datetime import datetime

from csss import clock
from csss.auth import second_factor
from csss.auth.models import CodePurpose, UserSession
from csss.auth.second_factor import SentCode
from csss.i18n import _, _n
from csss.notices.models import MailMessage, MailState
from csss.web.filters import when
from csss.web.live_region.refresh import digest


@dataclass(frozen=True)
class MailedCode:
    """The state of a code by mail. When `moving` is true, the page asks again after `every`."""

    kind: str  # of the alert
    text: str
    moving: bool = False
    every: str = "2s"
    in_trouble: bool = False  # the other ways are shown unfolded

    @property
    def version(self) -> str:
        """Changes with the text: the page asks often, and a screen reader must read only what is new."""
        return digest(f"{self.kind} {self.text}")


def mailed_code(waiting: UserSession) -> MailedCode | None:
    """The newest code that this sign-in has requested; None when it has requested none."""
    sent = second_factor.sent_code(waiting.user, CodePurpose.SIGN_IN, waiting.id, waiting.id)
    if sent is None:
        return None
    address = masked(waiting.user.email)
    return _over(sent) or _how_far(sent.message, sent.code.expires_at, address, _at_hand(waiting))


def _over(sent: SentCode) -> MailedCode | None:
    if sent.code.cancelled_at is not None:
        return MailedCode(
            "warn", _("A code that you have asked for since works elsewhere. Ask for a new one.")
        )
    if sent.code.expires_at is not None and clock.now() >= sent.code.expires_at:
        return MailedCode("warn", _("The code that was sent has expired. Ask for a new one."))
    return None


def _how_far(message: MailMessage | None, expires: datetime | None, address: str, at_hand: str) -> MailedCode:
    state = message.state if message is not None else MailState.QUEUED
    if (
        message is not None
        and message.sent_at is not None
        and state is MailState.SENT
        and expires is not None
    ):
        text = _(
            "We sent a six-digit code to %(address)s at %(sent)s. It works once, until %(until)s.",
            address=address,
            sent=_time(message.sent_at),
            until=_time(expires),
        )
        return MailedCode("info", text)
    if state in {MailState.FAILED, MailState.DROPPED}:
        text = _("No code could be sent to %(address)s. Ask for a new one.", address=address)
        return MailedCode("bad", f"{text} {at_hand}", in_trouble=True)
    if message is not None and message.last_error:
        text = _(
            "The mail server has not taken the code for %(address)s, so none has been sent yet. We keep "
            "trying.",
            address=address,
        )
        return MailedCode("warn", f"{text} {at_hand}", moving=True, every="5s", in_trouble=True)
    minutes = int(second_factor.code_life().total_seconds() // 60)
    text = _n(
        "A six-digit code is on its way to %(address)s. It works once, for %(num)s minute after it was sent.",
        "A six-digit code is on its way to %(address)s. It works once, for %(num)s minutes after it was sent.",
        minutes,
        address=address,
    )
    return MailedCode("info", text, moving=True)


def _at_hand(waiting: UserSession) -> str:
    """A sentence about the ways that need no mail server."""
    if waiting.user.totp_confirmed_at is not None:
        return _(
            "You do not need to wait: a code from your authenticator app or a recovery code works at once."
        )
    return _("You do not need to wait: a recovery code works at once.")


def _time(moment: datetime) -> str:
    return when(moment).rpartition(", ")[2]


def masked(email: str) -> str:
    """The address, shortened so that only its owner recognises it: `a•••@example.org`."""
    name, _at, domain = email.partition("@")
    return f"{name[:1]}•••@{domain}"
