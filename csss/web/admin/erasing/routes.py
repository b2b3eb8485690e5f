"""Routes: whose data is due, and erasing a patient."""

import uuid
from typing import Any

from flask import Response, current_app, flash, request, url_for

from csss.auth import second_factor_tries
from csss.auth.models import CodePurpose
from csss.auth.passkeys import services as passkeys
from csss.database import db
from csss.erasing import queries, retention, services
from csss.errors import StateConflict
from csss.i18n import _
from csss.paging import ListPage
from csss.people.permissions import Permission
from csss.web.admin.accounts.keeping_presenters import counts_words, erased_by
from csss.web.admin.blueprint import admin
from csss.web.admin.erasing.forms import EraseForm
from csss.web.admin.erasing.presenters import facts_before
from csss.web.admin.mailed_code import code_region, second_factor
from csss.web.admin.patients.presenters import person_url
from csss.web.fragments import page_or_fragment, redirect_after
from csss.web.guard import me, requires, user_session
from csss.web.listing import page_number, pager
from csss.web.passkeys import question, second_factor_shown
from csss.web.steps import try_step
from csss.web.unsent import comes_back_on, typed_before


@admin.get("/erasing")
@requires(Permission.PATIENT_ERASE)
def erasures() -> Response:
    """The patients whose data is due; with `show=erased` the erased ones, the newest first."""
    erased = request.args.get("show") == "erased"
    page: ListPage[Any] = queries.erasures(page_number()) if erased else retention.due(page_number())
    values: dict[str, Any] = {
        "show": "erased" if erased else "due",
        "days": current_app.config["CSSS"].retention_days,
        "due": [] if erased else page.rows,
        "erased": page.rows if erased else [],
        "counts_words": counts_words,
        "erased_by": erased_by,
        "person_url": person_url,
        "pager": pager(page),
    }
    return page_or_fragment("admin/erasures.html", "admin/_erasures.html", **values)


@admin.get("/patients/<uuid:patient_id>/erase")
@requires(Permission.PATIENT_ERASE)
def erase_form(patient_id: uuid.UUID) -> Response:
    """What is erased and what is kept, and the form that asks for a reason, the MRN and a passkey or a code."""
    return _show(patient_id, EraseForm(typed_before("admin.erase", "admin.send_erase_code")))


@admin.post("/patients/<uuid:patient_id>/erase/code")
@requires(Permission.PATIENT_ERASE)
@comes_back_on("admin.erase_form")
def send_erase_code(patient_id: uuid.UUID) -> Response:
    """Send the administrator a code for erasing exactly this patient; the form keeps what was typed."""
    form = EraseForm(request.form)

    def send() -> None:
        patient = services.patient_of(patient_id)
        services.check_can_erase(patient)
        second_factor_tries.request_approval_code(user_session(), patient.id)

    refused = try_step(send, lambda *why: _show(patient_id, form, *why), form=form)
    return refused or _show(patient_id, form)


@admin.post("/patients/<uuid:patient_id>/erase/passkey")
@requires(Permission.PATIENT_ERASE)
def erase_passkey_question(patient_id: uuid.UUID) -> Response:
    """The passkey request for the browser, for erasing exactly this patient; errors in the form are shown first."""
    form = EraseForm(request.form)

    def make() -> str:
        patient = services.lock(patient_id)
        services.check_request(patient, reason=form.reason.data or "", mrn=form.mrn.data or "")
        return passkeys.ask(user_session(), CodePurpose.APPROVAL, patient.id)

    return question(make)


@admin.get("/patients/<uuid:patient_id>/erase/code-state")
@requires(Permission.PATIENT_ERASE)
def erase_code_state(patient_id: uuid.UUID) -> Response:
    return code_region(services.patient_of(patient_id).id, patient=True)


@admin.post("/patients/<uuid:patient_id>/erase")
@requires(Permission.PATIENT_ERASE)
@comes_back_on("admin.erase_form")
def erase(patient_id: uuid.UUID) -> Response:
    """Erase this patient, with a one-time code or a passkey."""
    form = EraseForm(request.form)

    def do_it() -> None:  # a wrong code is kept, too: it counts
        services.erase_confirmed(
            patient_id,
            reason=form.reason.data or "",
            mrn=form.mrn.data or "",
            second_factor=lambda patient: second_factor_shown(
                CodePurpose.APPROVAL, patient.id, form.code.data or ""
            ),
            by=me(),
        )

    refused = try_step(do_it, lambda *why: _show(patient_id, form, *why), form=form, in_transaction=False)
    if refused is not None:
        return refused
    flash(_("The patient is erased. No personal data is left, and this cannot be undone."), "success")
    return redirect_after(person_url(services.patient_of(patient_id)))


def _show(patient_id: uuid.UUID, form: EraseForm, status: int = 200, conflict: str | None = None) -> Response:
    db.session.expire_all()
    patient = services.patient_of(patient_id)
    refused = ""
    try:
        services.check_can_erase(patient)
    except StateConflict as because:  # not `try_step`: the reason is shown, no step is taken
        refused = str(because)
    form.code.data = ""  # a refused answer cannot be used again
    code_state_url = url_for(".erase_code_state", patient_id=patient_id)
    values: dict[str, Any] = {
        **second_factor(patient.id, code_state_url, wanted=not refused, patient=True),
        "patient_id": patient_id,
        "back_url": person_url(patient),
        "name": patient.name,
        "facts": facts_before(patient),
        "form": form,
        "conflict": conflict,
        "refused": refused,
    }
    return page_or_fragment("admin/erase.html", "admin/_erase.html", status=status, **values)
