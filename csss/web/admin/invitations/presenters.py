"""Invitations in an administrator's words."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from flask import url_for

from csss.auth import invitations
from csss.auth.models import StaffInvitation
from csss.i18n import _
from csss.people.roles import Role
from csss.scans.presenters import Tag
from csss.web.filters import when


@dataclass(frozen=True)
class InvitationRow:
    """One invitation; `may_send` where it can be sent again, `may_withdraw` while its link works."""

    id: uuid.UUID
    name: str
    email: str
    role: str
    by: str
    at: datetime
    tag: Tag
    until: str
    account_url: str | None
    may_send: bool
    may_withdraw: bool


def invitation_rows(found: Sequence[StaffInvitation]) -> list[InvitationRow]:
    """Open invitations first, each group with the newest first."""
    rows = [_row(each) for each in found]
    return sorted(rows, key=lambda row: not row.may_withdraw)


def _row(each: StaffInvitation) -> InvitationRow:
    is_open = invitations.is_open(each)
    ended = each.used_at is not None or each.withdrawn_at is not None
    return InvitationRow(
        id=each.id,
        name=each.name,
        email=each.email,
        role=Role(each.role.value).human,
        by=each.invited_by.name,
        at=each.invited_at,
        tag=_tag(each, is_open),
        until=_until(each) if is_open else "",
        account_url=url_for("admin.user", user_id=each.user_id) if each.user_id else None,
        may_send=not ended,
        may_withdraw=is_open,
    )


def _until(each: StaffInvitation) -> str:
    return (
        _("works until %(moment)s", moment=when(each.expires_at))
        if each.expires_at is not None
        else _("the mail is about to be sent")
    )


def _tag(each: StaffInvitation, is_open: bool) -> Tag:
    if each.used_at is not None:
        return Tag(_("Accepted"), "ok", "check")
    if each.withdrawn_at is not None:
        return Tag(_("Withdrawn"), "neutral", "ban")
    return Tag(_("Open"), "wait", "hourglass") if is_open else Tag(_("Expired"), "warn", "clock")
