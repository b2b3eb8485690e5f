"""Routes: a code with which the patient claims the record, on a slip or by mail."""

import uuid

from flask import Response, current_app, flash, request, url_for

from csss.clock import now
from csss.database import transaction
from csss.errors import Invalid
from csss.i18n import _
from csss.people.permissions import Permission
from csss.records import invitations, services
from csss.web.account.password_again import asks_for_password, check_password
from csss.web.admin.blueprint import admin
from csss.web.admin.records.forms import InvitePatientForm
from csss.web.admin.records.routes import show_patient
from csss.web.fragments import page_or_fragment, redirect_after
from csss.web.guard import me, requires
from csss.web.steps import try_step


def _wait_with_passwords(sentence: str) -> Response:
    form = InvitePatientForm()
    form.current_password.errors = [sentence]
    return show_patient((request.view_args or {})["patient_id"], 429, invite_form=form)


@admin.post("/patients/<uuid:patient_id>/invite")
@requires(Permission.PATIENT_MANAGE)
@asks_for_password(_wait_with_passwords)
def invite_patient(patient_id: uuid.UUID) -> Response:
    """Make a code: `how` is "slip" or "mail". A slip is shown in this answer alone, because only a hash is kept.

    The code lets somebody sign in later, so it asks for the administrator's own password.
    """
    form, how, codes = InvitePatientForm(), request.form.get("how", ""), list[str]()

    def step() -> None:
        if how not in ("slip", "mail"):
            raise Invalid(email=_("Choose whether to print a slip or to send a mail."))
        check_password("invite patient")
        with transaction():
            if how == "slip":
                codes.append(invitations.print_one(patient_id, by=me())[1])
            else:
                invitations.mail_one(patient_id, email=form.email.data or "", by=me())

    refused = try_step(
        step,
        lambda status, sentence: show_patient(patient_id, status, invite_form=form, conflict=sentence),
        form=form,
        in_transaction=False,
    )
    if refused is not None:
        return refused
    if how == "slip":
        return _show_slip(patient_id, codes[0])
    flash(_("The code is on its way to %(email)s.", email=form.email.data), "success")
    return redirect_after(url_for(".patient", patient_id=patient_id))


def _show_slip(patient_id: uuid.UUID, code: str) -> Response:
    return page_or_fragment(
        "admin/slip.html",
        "admin/_slip.html",
        patient=services.one(patient_id),
        code=code,
        made_at=now(),
        ends=now() + invitations.LIFE,
        claim_url=current_app.config["CSSS"].base_url.rstrip("/") + url_for("auth.claim"),
    )


@admin.get("/patients/<uuid:patient_id>/invite")
@requires(Permission.PATIENT_MANAGE)
def slip_again(patient_id: uuid.UUID) -> Response:
    """Lead back to the record when somebody loads the slip again: a code is shown once."""
    flash(_("A slip is shown only once. If it was not printed, make a new one."), "info")
    return redirect_after(url_for(".patient", patient_id=patient_id, _anchor="account"))


@admin.post("/patients/<uuid:patient_id>/withdraw-invitation")
@requires(Permission.PATIENT_MANAGE)
def withdraw_patient_invitation(patient_id: uuid.UUID) -> Response:
    """Make the code that was handed out useless."""
    refused = try_step(
        lambda: invitations.withdraw(patient_id, by=me()),
        lambda status, sentence: show_patient(patient_id, status, conflict=sentence),
    )
    if refused is not None:
        return refused
    flash(_("The code does not work any more."), "success")
    return redirect_after(url_for(".patient", patient_id=patient_id, _anchor="account"))
