"""The stored versions of a released report, and the mail about them."""

import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta

from flask_babel.speaklater import LazyString

from csss import clock
from csss.i18n import _, _l
from csss.notices.models import MailState
from csss.reports import approvals
from csss.reports import queries as report_queries
from csss.scans.models import Scan
from csss.scans.presenters import Tag
from csss.web.admin.logs.mail_presenters import again_label, mail_sentence, mail_tag
from csss.web.scan_view import VersionView, version_view


@dataclass(frozen=True)
class MailedVersion:
    """One stored version and the mail about it."""

    version: VersionView
    mail: Tag
    sentence: str
    message_id: uuid.UUID | None
    again: str | None  # the label of the button that sends it again, where it may be


@dataclass(frozen=True)
class ReleaseView:
    """The report of an approved scan. When `moving` is true, the page asks again after `poll`."""

    approved_by: str
    approved_at: datetime
    second_factor: str
    making: bool
    versions: tuple[MailedVersion, ...]  # newest first
    moving: bool
    poll: str


_FACTORS: dict[str, LazyString] = {
    "email_code": _l("with a code by e-mail"),
    "authenticator": _l("with an authenticator app"),
    "recovery_code": _l("with a recovery code"),
    "passkey": _l("with a passkey"),
}


def _nobody_told(scan: Scan) -> str:
    if scan.patient.user is None:
        return _("The patient has no account: print the report and hand it over.")
    return _("Nobody was told about this version.")


SOON = timedelta(minutes=2)  # for this time the page asks often; a mail server may be down for hours


_MOVING = frozenset({MailState.QUEUED, MailState.SENDING})


def release_view(scan: Scan) -> ReleaseView | None:
    """None before the approval."""
    approval = report_queries.approval(scan)
    if approval is None:
        return None
    stored = report_queries.versions(scan)
    messages = approvals.report_messages([version.id for version in stored])
    mailed = []
    for version in reversed(stored):
        message = messages.get(version.id)
        sentence = mail_sentence(message) if message else _nobody_told(scan)
        mailed.append(
            MailedVersion(
                version_view(version),
                mail_tag(message),
                sentence,
                message.id if message else None,
                again_label(message) if message else None,
            )
        )
    making = len(stored) <= len(scan.addenda)
    latest = max(
        [
            approval.approved_at,
            *(each.created_at for each in stored),
            *(each.created_at for each in scan.addenda),
        ]
    )
    return ReleaseView(
        approved_by=approval.admin.name,
        approved_at=approval.approved_at,
        second_factor=str(_FACTORS[approval.second_factor]),
        making=making,
        versions=tuple(mailed),
        moving=making or any(message.state in _MOVING for message in messages.values()),
        poll="2s" if clock.now() - latest < SOON else "30s",
    )
