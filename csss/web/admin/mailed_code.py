"""The second factor on the pages that ask an administrator for one, and the state of a one-time code by e-mail."""

import uuid
from dataclasses import dataclass
from typing import Any

from flask import Response, current_app, make_response, render_template, request

from csss import clock
from csss.auth import second_factor_tries
from csss.auth.passkeys import services as passkeys
from csss.auth.second_factor import SentCode
from csss.i18n import _, _n
from csss.notices.models import MailState
from csss.reports import approvals
from csss.web.filters import when
from csss.web.guard import me, user_session


@dataclass(frozen=True)
class CodeView:
    """The state of the mailed code. When `moving` is true, the page asks again soon."""

    kind: str
    text: str
    moving: bool


def second_factor(
    subject_id: uuid.UUID,
    code_state_url: str,
    *,
    wanted: bool = True,
    reports: int | None = None,
    patient: bool = False,
) -> dict[str, Any]:
    """The template values for a form that asks for a passkey or a code for this subject; only a few when none is
    `wanted` now.
    """
    return {
        "code": _code(subject_id, reports, patient) if wanted else None,
        "code_state_url": code_state_url,
        "passkey": wanted and passkeys.offered(me()),
        "only_passkey": second_factor_tries.needs_passkey(me()),
        "otp_minutes": current_app.config["CSSS"].otp_minutes,
    }


def code_region(subject_id: uuid.UUID, *, reports: int | None = None, patient: bool = False) -> Response:
    """The state of the mailed code, as a region that refreshes itself."""
    code = _code(subject_id, reports, patient)
    return make_response(render_template("admin/_code.html", code=code, code_state_url=request.path))


def _code(subject_id: uuid.UUID, reports: int | None, patient: bool) -> CodeView | None:
    sent = approvals.approval_code(me(), subject_id, user_session().id)
    return _view(sent, me().email, current_app.config["CSSS"].otp_minutes, reports=reports, patient=patient)


def _view(
    sent: SentCode | None,
    address: str,
    minutes: int,
    *,
    reports: int | None,
    patient: bool,
) -> CodeView | None:
    """The state of the code; None when no code can still be used or can still arrive.

    `reports` is the number of reports it is for; `patient` says that it is for erasing one.
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
