"""Routes: the templates that prescriptions are filled in from."""

import uuid

from flask import Response, flash, request, url_for

from csss.i18n import gettext as _
from csss.people.permissions import Permission
from csss.prescriptions import templates
from csss.prescriptions.models import PrescriptionTemplate
from csss.web.fragments import page_or_fragment, redirect_after
from csss.web.guard import me, requires
from csss.web.pharmacist.blueprint import pharmacist
from csss.web.pharmacist.forms import PrescriptionTemplateForm
from csss.web.pharmacist.presenters import medicine_names, template_groups
from csss.web.steps import try_step
from csss.web.unsent import comes_back_on, typed_before


@pharmacist.get("/templates")
@requires(Permission.SCAN_PRESCRIBE)
def template_list() -> Response:
    """Show one's own templates and the hospital's."""
    return page_or_fragment(
        "pharmacist/templates.html",
        "pharmacist/_templates.html",
        groups=template_groups(templates.usable_by(me())),
    )


@pharmacist.get("/templates/new")
@requires(Permission.SCAN_PRESCRIBE)
def new_template() -> Response:
    return _show(None, _typed_before() or PrescriptionTemplateForm.starting_with(None))


def _typed_before() -> PrescriptionTemplateForm | None:
    return PrescriptionTemplateForm.typed_before(
        typed_before("pharmacist.add_template", "pharmacist.change_template")
    )


@pharmacist.post("/templates/new")
@requires(Permission.SCAN_PRESCRIBE)
@comes_back_on("pharmacist.new_template")
def add_template() -> Response:
    return _keep(None)


@pharmacist.get("/templates/<uuid:preset_id>")
@requires(Permission.SCAN_PRESCRIBE)
def template(preset_id: uuid.UUID) -> Response:
    found = templates.usable(preset_id, me())
    return _show(found, _typed_before() or PrescriptionTemplateForm.starting_with(found))


@pharmacist.post("/templates/<uuid:preset_id>")
@requires(Permission.SCAN_PRESCRIBE)
@comes_back_on("pharmacist.template")
def change_template(preset_id: uuid.UUID) -> Response:
    return _keep(templates.usable(preset_id, me()))


@pharmacist.post("/templates/<uuid:preset_id>/remove")
@requires(Permission.SCAN_PRESCRIBE)
def remove_template(preset_id: uuid.UUID) -> Response:
    def show(status: int, sentence: str | None) -> Response:
        found = templates.usable(preset_id, me())
        return _show(found, PrescriptionTemplateForm.starting_with(found), status, sentence)

    refused = try_step(lambda: templates.remove(preset_id, by=me()), show)
    if refused is not None:
        return refused
    flash(_("The template has been removed."), "success")
    return redirect_after(url_for(".template_list"))


def _keep(found: PrescriptionTemplate | None) -> Response:
    form = PrescriptionTemplateForm.typed(request.form)
    if form.change_lines(request.form):
        return _show(found, form)
    template_id = found.id if found else None
    refused = try_step(
        lambda: templates.keep(
            template_id,
            name=form.name.data or "",
            lines=form.lines,
            notes=form.notes.data or "",
            shared=form.owner.data == "hospital",
            by=me(),
        ),
        lambda status, sentence: _show(found, form, status, sentence),
        place=form.refuse,
    )
    if refused is not None:
        return refused
    flash(_("The template has been saved."), "success")
    return redirect_after(url_for(".template_list"))


def _show(
    found: PrescriptionTemplate | None,
    form: PrescriptionTemplateForm,
    status: int = 200,
    conflict: str | None = None,
) -> Response:
    """Show one template. A colleague's template for the hospital can be copied, not changed."""
    own = found if found and templates.may_change(found, me()) else None
    maker = found.made_by if found and found is not own else None
    if maker:
        form.owner.data = "me"
    address = url_for(".template", preset_id=own.id) if own else url_for(".new_template")
    return page_or_fragment(
        "pharmacist/template.html",
        "pharmacist/_template.html",
        status=status,
        form=form,
        action=address,
        remove_url=url_for(".remove_template", preset_id=own.id) if own else None,
        maker=maker.name if maker else None,
        conflict=conflict,
        medicine_names=medicine_names(),
        max_items=templates.MAX_LINES,
    )
