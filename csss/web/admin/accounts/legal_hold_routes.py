"""Routes: keep a patient's data for legal reasons, and stop keeping it."""

import uuid
from collections.abc import Callable

from flask import Response, flash, request, url_for

from csss.erasing import services
from csss.i18n import _
from csss.people.permissions import Permission
from csss.web.admin.accounts.forms import LegalHoldForm
from csss.web.admin.accounts.routes import show_account
from csss.web.admin.blueprint import admin
from csss.web.fragments import redirect_after
from csss.web.guard import me, requires
from csss.web.steps import CONFLICT, try_step
from csss.web.unsent import comes_back_on


@admin.post("/users/<uuid:user_id>/legal-hold")
@requires(Permission.PATIENT_ERASE)
@comes_back_on("admin.user")
def place_legal_hold(user_id: uuid.UUID) -> Response:
    done = _("This patient’s data is kept until the legal hold is lifted.")
    return _change_hold(user_id, services.place_hold, done)


@admin.post("/users/<uuid:user_id>/lift-legal-hold")
@requires(Permission.PATIENT_ERASE)
@comes_back_on("admin.user")
def lift_legal_hold(user_id: uuid.UUID) -> Response:
    return _change_hold(user_id, services.lift_hold, _("The legal hold is lifted."))


def _change_hold(user_id: uuid.UUID, change: Callable[..., object], done: str) -> Response:
    form = LegalHoldForm(request.form)

    def show(status: int, sentence: str | None) -> Response:
        sent = form if status != CONFLICT else None
        return show_account(user_id, status=status, conflict=sentence, hold_form=sent)

    refused = try_step(lambda: change(user_id, reason=form.reason.data or "", by=me()), show, form=form)
    if refused is not None:
        return refused
    flash(done, "success")
    return redirect_after(url_for(".user", user_id=user_id))
