"""Routes: invite staff by mail, send an invitation again, and withdraw one."""

import uuid
from collections.abc import Callable
from typing import Any

from flask import Response, flash, url_for

from csss.auth import invitations as services
from csss.auth.models import StaffInvitation
from csss.database import transaction
from csss.i18n import _
from csss.people.models import User
from csss.people.permissions import Permission
from csss.web.account.password_again import asks_for_password, check_password
from csss.web.admin.blueprint import admin
from csss.web.admin.invitations.forms import InviteForm
from csss.web.admin.invitations.presenters import invitation_rows
from csss.web.fragments import page_or_fragment, redirect_after
from csss.web.guard import me, requires
from csss.web.steps import CONFLICT, try_step
from csss.web.unsent import comes_back_on, typed_before


@admin.get("/invitations")
@requires(Permission.ACCOUNT_MANAGE)
def invitations() -> Response:
    """The invitations, and the form for a new one."""
    sent = typed_before("admin.invite")
    return _show(InviteForm(sent) if sent is not None else None)


def _wait_with_passwords(sentence: str) -> Response:
    form = InviteForm()
    form.current_password.errors = [sentence]
    return _show(form, 429)


@admin.post("/invitations")
@requires(Permission.ACCOUNT_MANAGE)
@asks_for_password(_wait_with_passwords)
@comes_back_on("admin.invitations")
def invite() -> Response:
    """Send a link to a new member of staff. It lets somebody sign in, so it asks for the administrator's own password."""
    form = InviteForm()

    def step() -> None:
        check_password("invite staff")
        with transaction():
            services.invite(
                email=form.email.data or "", name=form.name.data or "", role=form.role.data or "", by=me()
            )

    refused = try_step(step, lambda status, _s: _show(form, status), form=form, in_transaction=False)
    if refused is not None:
        return refused
    flash(_("The invitation of %(name)s is on its way.", name=form.name.data), "success")
    return redirect_after(url_for(".invitations"))


@admin.post("/invitations/<uuid:invitation_id>/send")
@requires(Permission.ACCOUNT_MANAGE)
def send_invitation(invitation_id: uuid.UUID) -> Response:
    """Send a new link; the earlier one stops working."""
    return _change(
        invitation_id,
        services.send_again,
        lambda name: _("%(name)s gets a new link; the earlier one does not work any more.", name=name),
    )


@admin.post("/invitations/<uuid:invitation_id>/withdraw")
@requires(Permission.ACCOUNT_MANAGE)
def withdraw_invitation(invitation_id: uuid.UUID) -> Response:
    """Make the link of an open invitation useless."""
    return _change(
        invitation_id,
        services.withdraw,
        lambda name: _(
            "The invitation of %(name)s is withdrawn; its link does not work any more.", name=name
        ),
    )


def _change(
    invitation_id: uuid.UUID, step: Callable[..., StaffInvitation], done: Callable[[str], str]
) -> Response:
    names: list[str] = []

    def take() -> None:
        by: User = me()
        names.append(step(invitation_id, by=by).name)

    refused = try_step(
        take,
        lambda status, sentence: _show(None, status, sentence),
        place=lambda errors: list(errors.values()),
    )
    if refused is not None:
        return refused
    flash(done(names[0]), "success")
    return redirect_after(url_for(".invitations"))


def _show(form: InviteForm | None = None, status: int = 200, sentence: str | None = None) -> Response:
    values: dict[str, Any] = {
        "form": form or InviteForm(formdata=None),
        "rows": invitation_rows(services.invitations()),
        "days": services.LIFE.days,
        "conflict": sentence,
        "is_conflict": status == CONFLICT,
    }
    return page_or_fragment("admin/invitations.html", "admin/_invitations.html", status, **values)
