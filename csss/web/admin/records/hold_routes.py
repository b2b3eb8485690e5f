"""Routes: keep the data of a patient without an account for legal reasons, and stop keeping it."""

import uuid
from collections.abc import Callable

from flask import Response, flash, request, url_for

from csss.erasing import services
from csss.i18n import _
from csss.people.permissions import Permission
from csss.web.admin.accounts.forms import LegalHoldForm
from csss.web.admin.blueprint import admin
from csss.web.admin.records.routes import show_patient
from csss.web.fragments import redirect_after
from csss.web.guard import me, requires
from csss.web.steps import CONFLICT, try_step


@admin.post("/patients/<uuid:patient_id>/legal-hold")
@requires(Permission.PATIENT_ERASE)
def place_hold_on_record(patient_id: uuid.UUID) -> Response:
    done = _("This patient’s data is kept until the legal hold is lifted.")
    return _change_hold(patient_id, services.place_hold, done)


@admin.post("/patients/<uuid:patient_id>/lift-legal-hold")
@requires(Permission.PATIENT_ERASE)
def lift_hold_on_record(patient_id: uuid.UUID) -> Response:
    return _change_hold(patient_id, services.lift_hold, _("The legal hold is lifted."))


def _change_hold(patient_id: uuid.UUID, change: Callable[..., object], done: str) -> Response:
    form = LegalHoldForm(request.form)

    def show(status: int, sentence: str | None) -> Response:
        sent = form if status != CONFLICT else None
        return show_patient(patient_id, status, conflict=sentence, hold_form=sent)

    refused = try_step(lambda: change(patient_id, reason=form.reason.data or "", by=me()), show, form=form)
    if refused is not None:
        return refused
    flash(done, "success")
    return redirect_after(url_for(".patient", patient_id=patient_id))
