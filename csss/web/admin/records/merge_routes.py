"""Routes: make one record of two, and undo it."""

import uuid
from typing import Any

from flask import Response, flash, request, url_for

from csss.errors import Invalid, StateConflict
from csss.i18n import _
from csss.people.models import Patient
from csss.people.permissions import Permission
from csss.records import identity, merging, services
from csss.web.admin.blueprint import admin
from csss.web.admin.records.forms import MergeForm, OtherRecordForm, SeparateForm
from csss.web.admin.records.presenters import compared
from csss.web.admin.records.routes import show_patient
from csss.web.fragments import UNPROCESSABLE, page_or_fragment, redirect_after
from csss.web.guard import me, requires
from csss.web.steps import try_step
from csss.web.unsent import comes_back_on, typed_before


@admin.get("/patients/<uuid:patient_id>/merge")
@requires(Permission.PATIENT_MANAGE)
def merge_form(patient_id: uuid.UUID) -> Response:
    """Both records side by side, what differs, and what a merge does. `other` is the MRN of the other record."""
    sent = typed_before("admin.merge_patients")
    form = MergeForm(sent) if sent is not None else MergeForm(formdata=None)
    return _show(
        patient_id, request.args.get("other") or (sent.get("other", "") if sent is not None else ""), form
    )


@admin.post("/patients/<uuid:patient_id>/merge")
@requires(Permission.PATIENT_MANAGE)
@comes_back_on("admin.merge_form")
def merge_patients(patient_id: uuid.UUID) -> Response:
    """Make one record of two: this one goes on."""
    form, typed = MergeForm(), request.form.get("other", "")

    def step() -> None:
        other = identity.exactly(typed)
        if other is None:
            raise Invalid(other=_("There is no record with this MRN."))
        merging.merge(
            patient_id,
            other.id,
            reason=form.reason.data or "",
            confirmed=form.confirmed(),
            seen=request.form.get("seen", ""),
            by=me(),
        )

    refused = try_step(
        step, lambda status, sentence: _show(patient_id, typed, form, status, sentence), form=form
    )
    if refused is not None:
        return refused
    flash(_("The two records are one now. The merge can be undone on this page."), "success")
    return redirect_after(url_for(".patient", patient_id=patient_id, _anchor="merges"))


@admin.post("/patients/<uuid:patient_id>/merges/<uuid:merge_id>/separate")
@requires(Permission.PATIENT_MANAGE)
def separate_patients(patient_id: uuid.UUID, merge_id: uuid.UUID) -> Response:
    """Undo a merge: the scans that came with it go back."""
    form = SeparateForm()

    def step() -> None:
        merging.separate(merge_id, reason=form.reason.data or "", by=me())

    refused = try_step(
        step,
        lambda status, sentence: show_patient(patient_id, status, separate_form=form, conflict=sentence),
        form=form,
    )
    if refused is not None:
        return refused
    flash(_("They are two records again. Look at the reports that were made in between."), "success")
    return redirect_after(url_for(".patient", patient_id=patient_id, _anchor="merges"))


def _show(
    patient_id: uuid.UUID,
    typed: str,
    form: MergeForm,
    status: int = 200,
    sentence: str | None = None,
) -> Response:
    kept = services.one(patient_id)
    other = identity.exactly(typed) if typed.strip() else None
    choose = OtherRecordForm(data={"other": typed})
    why = _why_not(kept, other, typed)
    if why and status in (200, UNPROCESSABLE):
        choose.other.errors = [why]
        status = UNPROCESSABLE if typed.strip() else status
        other = None
    values: dict[str, Any] = {
        "patient": kept,
        "other": other,
        "choose": choose,
        "form": form,
        "rows": compared(kept, other) if other is not None else [],
        "to_confirm": merging.to_confirm(kept, other) if other is not None else (),
        "seen": merging.seen_of(kept, other) if other is not None else "",
        "scans": len(merging.scans_of(other)) if other is not None else 0,
        "moves_account": other is not None and other.user is not None and kept.user is None,
        "conflict": sentence,
    }
    return page_or_fragment("admin/merge.html", "admin/_merge.html", status, **values)


def _why_not(kept: Patient, other: Patient | None, typed: str) -> str:
    """The sentence beside the field when there is no other record to compare with."""
    if not typed.strip():
        return ""
    if other is None:
        return _("There is no record with this MRN.")
    if other.id == kept.id:
        return _("This is the same record. Choose the other one.")
    try:
        merging.check_can_merge(kept, other)
    except StateConflict as because:  # not `try_step`: the reason is shown, no step is taken
        return str(because)
    return ""
