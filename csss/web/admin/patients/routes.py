"""Routes: correct a patient's name, e-mail address, birth date and sex, with a reason."""

import uuid
from dataclasses import asdict
from typing import Any

from flask import Response, flash, request, url_for

from csss.auth import patient_corrections as corrections
from csss.database import transaction
from csss.i18n import _
from csss.people.permissions import Permission
from csss.web.account.password_again import asks_for_password, check_password
from csss.web.admin.blueprint import admin
from csss.web.admin.patients.forms import DetailsForm
from csss.web.fragments import page_or_fragment, redirect_after
from csss.web.guard import me, requires
from csss.web.steps import CONFLICT, try_step
from csss.web.unsent import comes_back_on, typed_before


@admin.get("/users/<uuid:user_id>/details")
@requires(Permission.ACCOUNT_MANAGE)
def patient_details(user_id: uuid.UUID) -> Response:
    """The form with the details as they are now."""
    sent = typed_before("admin.correct_patient")
    return _show(user_id, DetailsForm(sent) if sent is not None else None)


def _wait_with_passwords(sentence: str) -> Response:
    form = DetailsForm()
    form.current_password.errors = [sentence]
    return _show((request.view_args or {})["user_id"], form, 429)


@admin.post("/users/<uuid:user_id>/details")
@requires(Permission.ACCOUNT_MANAGE)
@asks_for_password(_wait_with_passwords)
@comes_back_on("admin.patient_details")
def correct_patient(user_id: uuid.UUID) -> Response:
    """Correct the details. It asks for the administrator's own password: with another address, somebody at an unlocked
    screen could take over the account.
    """
    form = DetailsForm()
    name = ""

    def step() -> None:
        nonlocal name
        corrections.patient_of(user_id)
        check_password("correct patient details")
        with transaction():
            corrections.correct(
                user_id,
                form.typed,
                reason=form.reason.data or "",
                seen=request.form.get("seen", ""),
                by=me(),
            )
            name = form.name.data or ""

    def show(status: int, sentence: str | None) -> Response:
        return _show(user_id, None if status == CONFLICT else form, status, sentence)

    refused = try_step(step, show, form=form, in_transaction=False)
    if refused is not None:
        return refused
    flash(
        _("The details of %(name)s are corrected, and the patient is told by e-mail.", name=name), "success"
    )
    return redirect_after(url_for(".user", user_id=user_id))


def _show(
    user_id: uuid.UUID, form: DetailsForm | None = None, status: int = 200, sentence: str | None = None
) -> Response:
    patient = corrections.patient_of(user_id)
    values: dict[str, Any] = {
        "user_id": user_id,
        "name": patient.name,
        "mrn": patient.mrn,
        "form": form or DetailsForm(formdata=None, data=asdict(corrections.details_of(patient))),
        "seen": corrections.seen_of(patient),
        "conflict": sentence if status == CONFLICT else None,
        "unplaced": [sentence] if sentence and status != CONFLICT else [],
    }
    return page_or_fragment("admin/details.html", "admin/_details.html", status, **values)
