"""Scans, holds and messages in an administrator's words."""

import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import cast

from flask import url_for
from flask_babel.speaklater import LazyString

from csss import clock
from csss.auth.second_factor import SentCode
from csss.i18n import _, _l, _n
from csss.notices.models import MailState
from csss.reports import approvals
from csss.reports import queries as report_queries
from csss.reports.approvals import Release, Signers
from csss.scans import policies
from csss.scans.list_rows import ListedScan
from csss.scans.models import Scan, ScanHold
from csss.scans.presenters import KIND_NAMES, Tag, status_for_staff
from csss.scans.states import HoldFor, Priority, Status
from csss.web.admin.batch_presenters import conclusion, disagreement
from csss.web.admin.list_presenters import again_label, mail_sentence, mail_tag
from csss.web.filters import ago, when
from csss.web.scan_view import VersionView, version_view


@dataclass(frozen=True)
class WaitingRow:
    """One line of what waits for approval: templates/admin/_waiting_row.html."""

    id: str
    url: str
    name: str
    mrn: str
    kind: str
    doctor: str | None
    pharmacist: str | None
    conclusion: str
    warnings: tuple[str, ...]
    since: str
    waiting: str
    urgent: bool
    tag: Tag
    may_approve: bool
    ticked: bool


def waiting_rows(scans: Sequence[ListedScan], ticked: Collection[str] = ()) -> list[WaitingRow]:
    base, signed = url_for("admin.queue"), approvals.signers([scan.id for scan in scans])
    return [_waiting_row(scan, signed[scan.id], base, str(scan.id) in ticked) for scan in scans]


def _waiting_row(scan: ListedScan, signed: Signers, base: str, ticked: bool) -> WaitingRow:
    as_scan = cast("Scan", scan)  # as far as presenters and policies look
    review = signed.review
    return WaitingRow(
        id=str(scan.id),
        url=f"{base}scans/{scan.id}",
        name=scan.patient,
        mrn=scan.mrn,
        kind=KIND_NAMES[scan.kind],
        doctor=review.doctor if review else None,
        pharmacist=signed.pharmacist,
        conclusion=conclusion(review) if review else "",
        warnings=tuple(disagreement(review, as_scan)),
        since=scan.status_since.isoformat(),
        waiting=ago(scan.status_since),
        urgent=scan.priority is Priority.URGENT,
        tag=tag(as_scan),
        may_approve=policies.may(policies.check_can_approve, as_scan),
        ticked=ticked,
    )


def tag(scan: Scan) -> Tag:
    """The status in an administrator's words."""
    hold = scan.open_hold
    if hold is not None and hold.answered_at is not None:
        return Tag(str(_CORRECTED[hold.to]), "warn", "edit")
    return status_for_staff(scan)


_CORRECTED: dict[HoldFor, LazyString] = {
    HoldFor.DOCTOR: _l("Corrected by the doctor, look again"),
    HoldFor.PHARMACIST: _l("Corrected by the pharmacist, look again"),
}


@dataclass(frozen=True)
class ReleasedRow:
    """One line of what has been released."""

    scan_id: uuid.UUID
    name: str
    mrn: str
    kind: str
    approved_at: datetime
    approved_by: str
    report_id: uuid.UUID | None
    version: int | None
    delivery: Tag


def released_rows(releases: Sequence[Release]) -> list[ReleasedRow]:
    return [
        ReleasedRow(
            scan_id=each.scan.id,
            name=each.scan.patient.user.name,
            mrn=each.scan.patient.mrn,
            kind=KIND_NAMES[each.scan.kind],
            approved_at=each.approval.approved_at,
            approved_by=each.approval.admin.name,
            report_id=each.version.id if each.version else None,
            version=each.version.version if each.version else None,
            delivery=mail_tag(each.message)
            if each.version
            else Tag(_("The report is being made"), "wait", "hourglass"),
        )
        for each in releases
    ]


@dataclass(frozen=True)
class HoldView:
    """One question of an administrator, and what became of it."""

    to: str
    note: str
    asked: str
    outcome: str
    open: bool
    answered: bool


_FOR: dict[HoldFor, LazyString] = {
    HoldFor.DOCTOR: _l("For the doctor"),
    HoldFor.PHARMACIST: _l("For the pharmacist"),
}


def hold_view(hold: ScanHold) -> HoldView:
    outcome = []
    if hold.answered_at is not None:
        outcome.append(_("Corrected on %(moment)s.", moment=when(hold.answered_at)))
    if hold.lifted_at is not None:
        outcome.append(_("Lifted on %(moment)s.", moment=when(hold.lifted_at)))
    if not outcome:
        outcome.append(_("Not answered yet."))
    return HoldView(
        to=str(_FOR[hold.to]),
        note=hold.note,
        asked=f"{hold.placed_by.name}, {when(hold.placed_at)}",
        outcome=" ".join(outcome),
        open=hold.lifted_at is None,
        answered=hold.answered_at is not None,
    )


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


def askable(scan: Scan) -> list[HoldFor]:
    """Who can be asked for a correction now."""
    return [role for role in HoldFor if policies.may(policies.check_can_hold, scan, role)]


def waits_because(scan: Scan) -> str | None:
    """Why nothing can be approved now; None when it can be, when a hold says it, and after the release."""
    if scan.closure is not None:
        return _("The scan has been closed by a doctor. There will be no report.")
    if scan.open_hold is not None:
        return None
    words = _WAITS.get(scan.status)
    return str(words) if words is not None else None


_WAITS: dict[Status, LazyString] = {
    Status.PENDING_AI: _l("The scan waits for the analysis. A doctor and a pharmacist follow before you."),
    Status.AI_ANALYZED: _l("The scan waits for a doctor. A pharmacist follows before you."),
    Status.DOCTOR_VERIFIED: _l("The scan waits for the pharmacist."),
}


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
    """What has become of an approved scan. `moving` asks the page to look again after `poll`."""

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
SOON = timedelta(minutes=2)  # so long the page looks often; a mail server may be down for hours
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
        sentence = mail_sentence(message) if message else _("Nobody was told about this version.")
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
