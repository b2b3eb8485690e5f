"""Routes: find, make and edit patient records."""

import uuid
from typing import Any

from flask import Response, flash, request, url_for

from csss.auth import patient_corrections
from csss.auth.patient_corrections import corrections_of
from csss.database import transaction
from csss.errors import Invalid, StateConflict
from csss.i18n import _
from csss.people import merged
from csss.people.models import Patient
from csss.people.permissions import Permission
from csss.records import addresses, invitations, services
from csss.scans.queries import scans_of_record
from csss.web.account.password_again import asks_for_password, check_password
from csss.web.admin.accounts.forms import LegalHoldForm
from csss.web.admin.accounts.keeping_presenters import keeping_of
from csss.web.admin.blueprint import admin
from csss.web.admin.patients.presenters import correction_rows
from csss.web.admin.records.forms import (
    EditPatientForm,
    InvitePatientForm,
    NewPatientForm,
    NumberForm,
    OtherRecordForm,
    PatientFilter,
    SeparateForm,
)
from csss.web.admin.records.presenters import (
    account_url,
    invitation_words,
    merge_rows,
    patient_rows,
    record_facts,
    record_tag,
    scan_rows,
)
from csss.web.fragments import page_or_fragment, redirect_after
from csss.web.guard import me, requires
from csss.web.listing import page_number, pager
from csss.web.steps import CONFLICT, try_step
from csss.web.unsent import comes_back_on, typed_before


@admin.get("/patients")
@requires(Permission.PATIENT_MANAGE)
def patients() -> Response:
    """Every patient record, with an account or without."""
    form = PatientFilter(request.args)
    page = services.found(form.q.data or "", page_number())
    values: dict[str, Any] = {
        "form": form,
        "rows": patient_rows(page.rows),
        "searched": bool((form.q.data or "").strip()),
        "pager": pager(page),
    }
    return page_or_fragment("admin/patients.html", "admin/_patients.html", **values)


@admin.get("/patients/new")
@requires(Permission.PATIENT_MANAGE)
def new_patient() -> Response:
    sent = typed_before("admin.make_patient")
    return _show_new(NewPatientForm(sent) if sent is not None else NewPatientForm(formdata=None))


@admin.post("/patients/new")
@requires(Permission.PATIENT_MANAGE)
@comes_back_on("admin.new_patient")
def make_patient() -> Response:
    """Make a record without an account."""
    form = NewPatientForm()
    made: list[Patient] = []

    def step() -> None:
        made.append(services.make(form.typed, another=bool(form.another.data), by=me()))

    refused = try_step(step, lambda status, _sentence: _show_new(form, status), form=form)
    if refused is not None:
        return refused
    flash(_("The record of %(name)s is made.", name=made[0].name), "success")
    return redirect_after(url_for(".patient", patient_id=made[0].id))


def _show_new(form: NewPatientForm, status: int = 200) -> Response:
    similar = services.similar(form.typed) if status != 200 else []
    values: dict[str, Any] = {
        "form": form,
        "similar": patient_rows([services.Listed(each, 0) for each in similar]),
    }
    return page_or_fragment("admin/new_patient.html", "admin/_new_patient.html", status, **values)


@admin.get("/patients/<uuid:patient_id>")
@requires(Permission.PATIENT_MANAGE)
def patient(patient_id: uuid.UUID) -> Response:
    """One record: who it is, the scans, the account, merges, and what can be done."""
    sent = typed_before("admin.edit_patient")
    return show_patient(patient_id, edit_form=EditPatientForm(sent) if sent is not None else None)


def _wait_with_passwords(sentence: str) -> Response:
    form = EditPatientForm()
    form.current_password.errors = [sentence]
    return show_patient((request.view_args or {})["patient_id"], 429, edit_form=form)


@admin.post("/patients/<uuid:patient_id>")
@requires(Permission.PATIENT_MANAGE)
@asks_for_password(_wait_with_passwords)
@comes_back_on("admin.patient")
def edit_patient(patient_id: uuid.UUID) -> Response:
    """Edit a record without an account. A new e-mail address asks for the administrator's own password: reports may be
    mailed there."""
    form = EditPatientForm()

    def step() -> None:
        known = services.one(patient_id)
        if known.user is not None:
            raise StateConflict(
                _("%(name)s has an account by now: correct the details there.", name=known.name)
            )
        new_address = bool(form.email.data) and form.email.data != known.email
        if new_address:
            check_password("edit patient record")
        with transaction():
            _edit(patient_id, form)

    def show(status: int, sentence: str | None) -> Response:
        kept = form if status != CONFLICT else None
        return show_patient(patient_id, status, edit_form=kept, conflict=sentence)

    refused = try_step(step, show, form=form, in_transaction=False)
    if refused is not None:
        return refused
    flash(_("The record is saved."), "success")
    return redirect_after(url_for(".patient", patient_id=patient_id))


def _edit(patient_id: uuid.UUID, form: EditPatientForm) -> None:
    known = services.one(patient_id)
    before = patient_corrections.details_of(known)
    contact = services.change_contact(patient_id, form.contact, by=me())
    seen = request.form.get("seen", "")
    if form.details == before and seen == patient_corrections.seen_of(known):
        if not contact:
            raise Invalid(nothing=_("You have changed nothing. Change what is wrong, then save."))
        return
    made = patient_corrections.correct_record(
        patient_id, form.details, reason=form.reason.data or "", seen=seen, by=me()
    )
    if made.new.get("email"):
        addresses.ask(services.one(patient_id), by=me())


@admin.post("/patients/<uuid:patient_id>/numbers")
@requires(Permission.PATIENT_MANAGE)
def add_patient_number(patient_id: uuid.UUID) -> Response:
    """Keep a number that another hospital has given to the patient."""
    form = NumberForm()
    refused = try_step(
        lambda: services.add_number(
            patient_id, number=form.number.data or "", issuer=form.issuer.data or "", by=me()
        ),
        lambda status, sentence: show_patient(patient_id, status, number_form=form, conflict=sentence),
        form=form,
    )
    if refused is not None:
        return refused
    flash(_("The number is kept."), "success")
    return redirect_after(url_for(".patient", patient_id=patient_id))


@admin.post("/patients/<uuid:patient_id>/confirm-address")
@requires(Permission.PATIENT_MANAGE)
def ask_for_address(patient_id: uuid.UUID) -> Response:
    """Mail the patient another link that confirms the address of the record."""

    def step() -> None:
        known = services.one(patient_id)
        if known.user is not None or not known.email or known.email_confirmed_at is not None:
            raise StateConflict(_("There is no address that waits to be confirmed."))
        addresses.ask(known, by=me())

    refused = try_step(step, lambda status, sentence: show_patient(patient_id, status, conflict=sentence))
    if refused is not None:
        return refused
    flash(_("The link is on its way."), "success")
    return redirect_after(url_for(".patient", patient_id=patient_id))


def show_patient(
    patient_id: uuid.UUID,
    status: int = 200,
    *,
    edit_form: EditPatientForm | None = None,
    invite_form: InvitePatientForm | None = None,
    number_form: NumberForm | None = None,
    separate_form: SeparateForm | None = None,
    hold_form: LegalHoldForm | None = None,
    conflict: str | None = None,
) -> Response:
    """The page of a record; a form that came back with errors stands in its place."""
    found = services.one(patient_id)
    scans = scans_of_record(found.id)
    invited, code_works = invitation_words(invitations.of(found))
    moved = merged.merge_away(found)
    values: dict[str, Any] = {
        "patient": found,
        "tag": record_tag(found),
        "facts": record_facts(found),
        "account_url": account_url(found.user),
        "may_change": not found.is_erased and found.merged_at is None,
        "survivor_url": url_for(".patient", patient_id=moved.kept_id) if moved is not None else None,
        "survivor": moved.kept if moved is not None else None,
        "scans": scan_rows(scans.rows),
        "scans_in_all": scans.total,
        "edit_form": edit_form or EditPatientForm(formdata=None, obj=_now(found)),
        "edit_open": edit_form is not None,
        "seen": patient_corrections.seen_of(found),
        "invite_form": invite_form or InvitePatientForm(formdata=None, data={"email": found.email}),
        "invited": invited,
        "code_works": code_works,
        "number_form": number_form or NumberForm(formdata=None),
        "other_form": OtherRecordForm(None),
        "merges": merge_rows(found),
        "separate_form": separate_form or SeparateForm(formdata=None),
        "corrections": correction_rows(corrections_of(found)),
        "keeping": keeping_of(found),
        "hold_form": hold_form or LegalHoldForm(),
        "conflict": conflict,
    }
    return page_or_fragment("admin/patient.html", "admin/_patient.html", status, **values)


class _now:  # noqa: N801 - read by WTForms
    """The details of a record as the edit form shows them."""

    def __init__(self, patient: Patient) -> None:
        details = patient_corrections.details_of(patient)
        self.name, self.email = details.name, details.email
        self.date_of_birth, self.sex = details.date_of_birth, details.sex
        self.phone, self.address, self.allergies = patient.phone, patient.address, patient.allergies
