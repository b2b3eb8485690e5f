"""Routes: a doctor's drafts of unsigned readings, and templates (blocks of text) for common findings."""

import uuid

from flask import Response, flash, render_template, request, url_for

from csss.database import transaction
from csss.errors import NotFound
from csss.i18n import _
from csss.people.permissions import Permission
from csss.scans import queries, report_templates, review_drafts
from csss.scans.draft_models import ReportTemplate
from csss.scans.presenters import KIND_NAMES
from csss.web.doctor import reading
from csss.web.doctor.blueprint import doctor
from csss.web.doctor.forms import ReportTemplateForm, ReviewForm
from csss.web.doctor.reading_routes import done, take_step
from csss.web.fragments import is_htmx, page_or_fragment, redirect_after
from csss.web.guard import me, requires
from csss.web.steps import CONFLICT, try_step
from csss.web.unsent import comes_back_on, typed_before

_NO_TEMPLATE = uuid.UUID(int=0)  # no such template: not found


@doctor.post("/scans/<uuid:scan_id>/draft")
@requires(Permission.SCAN_REVIEW)
@comes_back_on("doctor.scan")
def save_draft(scan_id: uuid.UUID) -> Response:
    """Store what has been typed. htmx sends it while the doctor types and gets a status text; a browser gets the page."""
    form = ReviewForm(request.form)
    queries.scan_visible_to(me(), scan_id)

    words = ""

    def save() -> None:
        nonlocal words
        draft = review_drafts.save(scan_id, form.reading(), by=me())
        words = reading.draft_saved(draft) if draft is not None else ""

    if is_htmx():
        return try_step(save, _draft_refused) or _draft_words(200, words)
    return take_step(scan_id, form, save) or redirect_after(_form_of(scan_id))


def _draft_refused(status: int, why: str | None) -> Response:
    return _draft_words(status, _("Not kept: %(why)s", why=why) if status == CONFLICT else why or "")


def _draft_words(status: int, words: str) -> Response:
    html = render_template("doctor/_draft.html", saved=words, refused=status != 200)
    response = Response(html, status)
    response.vary.add("HX-Request")
    return response


@doctor.post("/scans/<uuid:scan_id>/draft/discard")
@requires(Permission.SCAN_REVIEW)
def discard_draft(scan_id: uuid.UUID) -> Response:
    queries.scan_visible_to(me(), scan_id)
    with transaction():
        review_drafts.discard(scan_id, by=me())
    return done(scan_id, _("The draft has been discarded."))


@doctor.post("/scans/<uuid:scan_id>/insert")
@requires(Permission.SCAN_REVIEW)
@comes_back_on("doctor.scan")
def insert_template(scan_id: uuid.UUID) -> Response:
    """Add a block to what has been typed and store it as the draft. With JavaScript, the script inserts it at the
    cursor instead.
    """
    form = ReviewForm(request.form)
    queries.scan_visible_to(me(), scan_id)

    def insert() -> None:
        review_drafts.check_can_draft(queries.scan_visible_to(me(), scan_id))
        try:
            chosen = request.form.get("template", _NO_TEMPLATE, type=uuid.UUID)
            block = report_templates.find(chosen, me())
            form.findings.data = _joined(form.findings.data, block.findings)
            if not (form.impression.data or "").strip():
                form.impression.data = block.impression
        except NotFound:
            flash(_("This template no longer exists. What you have written is kept."), "warning")
        review_drafts.save(scan_id, form.reading(), by=me())

    return take_step(scan_id, form, insert) or redirect_after(_form_of(scan_id))


def _form_of(scan_id: uuid.UUID) -> str:
    return url_for("doctor.scan", scan_id=scan_id, _anchor="reading-form")


def _joined(text: str | None, more: str) -> str:
    """Append the block on a line of its own."""
    before = (text or "").rstrip()
    return f"{before}\n{more}" if before and more else before or more


@doctor.get("/templates")
@requires(Permission.SCAN_REVIEW)
def templates() -> Response:
    """Show the doctor's own blocks of text, and a form for one more."""
    return _templates_page(ReportTemplateForm(typed_before("doctor.add_template")))


@doctor.post("/templates")
@requires(Permission.SCAN_REVIEW)
@comes_back_on("doctor.templates")
def add_template() -> Response:
    form = ReportTemplateForm(request.form)
    refused = try_step(
        lambda: report_templates.add(form.block(), by=me()),
        lambda status, _sentence: _templates_page(form, status),
        form=form,
    )
    return refused or _listing(_("The template has been added."))


@doctor.get("/templates/<uuid:template_id>")
@requires(Permission.SCAN_REVIEW)
def template(template_id: uuid.UUID) -> Response:
    """Change one block."""
    found = report_templates.find(template_id, me())
    sent = typed_before("doctor.change_template")
    form = ReportTemplateForm(sent) if sent is not None else ReportTemplateForm.starting_with(found)
    return _template_page(form, found)


@doctor.post("/templates/<uuid:template_id>")
@requires(Permission.SCAN_REVIEW)
@comes_back_on("doctor.template")
def change_template(template_id: uuid.UUID) -> Response:
    form = ReportTemplateForm(request.form)
    refused = try_step(
        lambda: report_templates.change(template_id, form.block(), by=me()),
        lambda status, _sentence: _template_page(form, report_templates.find(template_id, me()), status),
        form=form,
    )
    return refused or _listing(_("The template has been changed."), leave=True)


@doctor.post("/templates/<uuid:template_id>/delete")
@requires(Permission.SCAN_REVIEW)
def delete_template(template_id: uuid.UUID) -> Response:
    with transaction():
        report_templates.remove(template_id, by=me())
    return _listing(_("The template has been deleted."))


@doctor.post("/templates/<uuid:template_id>/move")
@requires(Permission.SCAN_REVIEW)
def move_template(template_id: uuid.UUID) -> Response:
    """Move a block one place up, or down with `to=down`."""
    with transaction():
        report_templates.move(template_id, up=request.form.get("to") != "down", by=me())
    return _listing(None)


def _listing(sentence: str | None, *, leave: bool = False) -> Response:
    """The list after a success."""
    if sentence:
        flash(sentence, "success")
    if leave or not is_htmx():
        return redirect_after(url_for("doctor.templates"))
    return _templates_page(ReportTemplateForm())


def _templates_page(form: ReportTemplateForm, status: int = 200) -> Response:
    return page_or_fragment(
        "doctor/templates.html",
        "doctor/_templates.html",
        status,
        form=form,
        templates=report_templates.of(me()),
        kinds=KIND_NAMES,
    )


def _template_page(form: ReportTemplateForm, found: ReportTemplate, status: int = 200) -> Response:
    return page_or_fragment(
        "doctor/template.html", "doctor/_template.html", status, form=form, template=found
    )
