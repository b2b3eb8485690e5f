"""Routes: one short step after an upload, in which a patient tells the pharmacist about themselves. All of it optional."""

import uuid

from flask import Response, flash, request, url_for

from csss.i18n import _
from csss.people.models import Sex
from csss.people.permissions import Permission
from csss.prescriptions import stated_facts
from csss.scans import queries
from csss.web.fragments import page_or_fragment, redirect_after
from csss.web.guard import me, requires
from csss.web.patient.blueprint import patient
from csss.web.stated_fields import StatedFields
from csss.web.steps import try_step
from csss.web.unsent import comes_back_on, typed_before


@patient.get("/scans/<uuid:scan_id>/about")
@requires(Permission.SCAN_UPLOAD)
def about(scan_id: uuid.UUID) -> Response:
    """The questions, with what was answered before."""
    return _show(scan_id, StatedFields(typed_before("patient.keep_about")))


@patient.post("/scans/<uuid:scan_id>/about")
@requires(Permission.SCAN_UPLOAD)
@comes_back_on("patient.about")
def keep_about(scan_id: uuid.UUID) -> Response:
    """Keep the answers with the scan."""
    form = StatedFields(request.form)
    queries.scan_visible_to(me(), scan_id)
    refused = try_step(
        lambda: stated_facts.state(scan_id, form.stated, by=me()),
        lambda status, sentence: _show(scan_id, form, status, sentence),
        form=form,
    )
    if refused is not None:
        return refused
    flash(_("Thank you. The pharmacist sees what you wrote."), "success")
    return redirect_after(url_for("patient.scan", scan_id=scan_id))


def _show(scan_id: uuid.UUID, form: StatedFields, status: int = 200, conflict: str | None = None) -> Response:
    scan = queries.scan_visible_to(me(), scan_id)
    known = stated_facts.as_typed(stated_facts.known(scan))
    (form.catch_up if request.method == "POST" or any(form.data.values()) else form.put)(known)
    return page_or_fragment(
        "patient/about.html",
        "patient/_about.html",
        status,
        form=form,
        scan_url=url_for("patient.scan", scan_id=scan_id),
        action=url_for("patient.keep_about", scan_id=scan_id),
        male=scan.patient.sex is Sex.MALE,
        may_answer=stated_facts.may_state(scan, me()),
        conflict=conflict,
    )
