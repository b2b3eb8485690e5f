"""Routes: a pharmacist adds prescriptions."""

import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from flask import Response, flash, request, url_for

from csss.database import transaction
from csss.errors import Invalid, NotFound
from csss.i18n import gettext as _
from csss.people.models import Sex
from csss.people.permissions import Permission
from csss.prescriptions import drafts, line_warnings, services, stated_facts, templates
from csss.prescriptions import queries as prescription_queries
from csss.prescriptions.fact_models import PrescriptionDraft
from csss.prescriptions.models import Prescription
from csss.prescriptions.presenters import prescription_view
from csss.prescriptions.safety import SafetyWarning
from csss.reports import queries as report_queries
from csss.scans import policies, queries, taking_back
from csss.scans.models import Scan
from csss.scans.states import HoldFor
from csss.web.critical import critical_notices, critical_of
from csss.web.fragments import is_htmx, page_or_fragment, redirect_after
from csss.web.guard import me, requires
from csss.web.listing import page_number, pager
from csss.web.live_region.rows import rendered_once
from csss.web.pharmacist.blueprint import pharmacist
from csss.web.pharmacist.desk import draft_saved
from csss.web.pharmacist.forms import LineForm, PrescriptionForm, QueueFilterForm
from csss.web.pharmacist.presenters import (
    asked_for,
    medicine_names,
    queue_rows,
    recognised_allergies,
    tag,
    waits_because,
    what_is_known,
)
from csss.web.staff_view import history, patient_facts, scan_view, stated_view
from csss.web.stated_fields import NAMES
from csss.web.steps import try_step
from csss.web.unsent import comes_back_on, typed_before


@pharmacist.get("/")
@requires(Permission.SCAN_PRESCRIBE)
def queue() -> Response:
    """Show the scans that wait for a prescription, and those on hold for a correction of one."""
    form = QueueFilterForm(request.args)
    page = prescription_queries.queue(
        search=form.q.data or "", sort=form.sort.data or "priority", page=page_number()
    )
    return page_or_fragment(
        "pharmacist/queue.html",
        "pharmacist/_queue.html",
        form=form,
        rows=rendered_once("pharmacist/_queue_row.html", queue_rows(page.rows)),
        filtered=bool(form.q.data),
        critical=[] if is_htmx() else critical_notices(),
        here=url_for(".queue", q=form.q.data or None, sort=form.sort.data or None, page=page.number),
        pager=pager(page),
    )


@pharmacist.get("/scans/<uuid:scan_id>")
@requires(Permission.SCAN_PRESCRIBE)
def scan(scan_id: uuid.UUID) -> Response:
    """Show the form for the prescription; text typed before the session ended is filled in again."""
    if request.method == "GET" and taking_back.is_first_opening(queries.scan_visible_to(me(), scan_id)):
        with transaction():  # before anything is shown: from now on the doctor cannot take the signature back
            taking_back.open_as_pharmacist(scan_id, by=me())
    form = PrescriptionForm.typed_before(
        typed_before("pharmacist.complete", "pharmacist.correct", "pharmacist.save_draft")
    )
    if form is None or _action(queries.scan_visible_to(me(), scan_id)) is not None:
        return _show(scan_id, form)
    return _show(
        scan_id,
        form,
        conflict=_(
            "Your session had ended. In the meantime this scan has moved on without your prescription."
        ),
    )


@pharmacist.post("/scans/<uuid:scan_id>/complete")
@requires(Permission.SCAN_PRESCRIBE)
@comes_back_on("pharmacist.scan")
def complete(scan_id: uuid.UUID) -> Response:
    """Complete the prescription; the scan then goes to the administrator."""
    return _submit(
        scan_id, services.complete, _("The prescription is complete. The scan now waits for approval.")
    )


@pharmacist.post("/scans/<uuid:scan_id>/correct")
@requires(Permission.SCAN_PRESCRIBE)
@comes_back_on("pharmacist.scan")
def correct(scan_id: uuid.UUID) -> Response:
    """Add a corrected version of the prescription, which an administrator has requested."""
    return _submit(
        scan_id,
        services.correct,
        _("The correction is saved as a new version. The administrator looks at it next."),
    )


@pharmacist.post("/scans/<uuid:scan_id>/line")
@requires(Permission.SCAN_PRESCRIBE)
def line(scan_id: uuid.UUID) -> Response:
    """Show what is known about one line of the form, for htmx: usual strengths and routes, and warnings."""
    scan = queries.scan_visible_to(me(), scan_id)
    form = PrescriptionForm.typed(request.form)
    form.warn(_warnings(scan, form), request.form)
    place = request.form.get("place", "").removeprefix("line-")
    if not is_htmx() or not place.isdecimal() or int(place) >= len(form.rows):
        return _show(scan_id, form)
    row = form.rows[int(place)]
    return page_or_fragment(
        "pharmacist/scan.html",
        "pharmacist/_line_note.html",
        line=row,
        known=_known(row),
        check_url=request.path,
    )


def _submit(scan_id: uuid.UUID, step: Callable[..., Prescription], done: str) -> Response:
    form = PrescriptionForm.typed(request.form)
    if form.change_lines(request.form) or _fill_in(form):
        return _show(scan_id, form)
    if "keep_facts" in request.form:
        return _keep_facts(scan_id, form)
    form.warn(_warnings(queries.scan_visible_to(me(), scan_id), form), request.form)
    refused = try_step(
        lambda: step(
            scan_id,
            lines=form.lines,
            none_needed=form.none_needed.data,
            notes=form.notes.data or "",
            stated=form.stated if _facts_sent() else None,
            by=me(),
        ),
        lambda status, sentence: _show(scan_id, form, status=status, conflict=sentence or ""),
        place=form.refuse,
    )
    if refused is not None:
        return refused
    flash(done, "success")
    if "next" in request.form:
        following = prescription_queries.next_to_complete(scan_id)
        return redirect_after(url_for(".scan", scan_id=following) if following else url_for(".queue"))
    return redirect_after(url_for(".scan", scan_id=scan_id))


def _draft(scan_id: uuid.UUID, versions: Sequence[Prescription]) -> PrescriptionDraft | None:
    """The own draft; not one that is older than what a colleague has signed since."""
    draft = drafts.of(scan_id, me())
    overtaken = draft is not None and versions and draft.saved_at < versions[-1].created_at
    return None if overtaken else draft


def _facts_sent() -> bool:
    return "weight" in request.form


def _keep_facts(scan_id: uuid.UUID, form: PrescriptionForm) -> Response:
    """What is known of the patient, and the same form with warnings that know it."""
    queries.scan_visible_to(me(), scan_id)
    refused = try_step(
        lambda: stated_facts.state(scan_id, form.stated, by=me()),
        lambda status, sentence: _show(scan_id, form, status=status, conflict=sentence or ""),
        place=form.refuse,
    )
    return refused or _show(scan_id, form)


def _show(
    scan_id: uuid.UUID, form: PrescriptionForm | None = None, *, status: int = 200, conflict: str = ""
) -> Response:
    """Show the scan with the steps that are possible now; `form` holds what was typed."""
    scan = queries.scan_visible_to(me(), scan_id)
    versions = services.versions(scan)
    action = _action(scan)
    typed = form if conflict else None
    draft = _draft(scan_id, versions)
    if action is None:
        form = None  # shown only to someone who may send it now
    elif form is None and draft is not None:
        form = PrescriptionForm.of_draft(draft)
    elif form is None:
        form = PrescriptionForm.starting_with(versions[-1] if versions else None)
    if form is not None:
        known = stated_facts.as_typed(stated_facts.known(scan))
        (form.catch_up if _facts_sent() else form.put)(known)
        form.warn(_warnings(scan, form))
    values: dict[str, Any] = {
        "scan": scan_view(scan, patient_facts(scan)),
        "tag": tag(scan),
        "conflict": conflict,
        "waits_because": None if action or conflict else waits_because(scan),
        "action": action,
        "form": form,
        "draft_saved": draft_saved(draft) if draft else "",
        "may_recall": policies.may(policies.check_can_hold, scan, HoldFor.PHARMACIST),
        "recalled": services.is_recall(asked_for(scan)),
        "typed": typed,  # a refused prescription is shown once more, so that nothing written is lost
        "max_items": services.MAX_ITEMS,
        "medicine_names": medicine_names(),
        "templates": templates.usable_by(me()) if form else (),
        "known_of": _known,
        "check_url": url_for(".line", scan_id=scan_id),
        "male": scan.patient.sex is Sex.MALE,
        "facts_known": [each for each in stated_view(scan) if each[1]],
        "facts_open": form is not None and any(form[name].errors for name in NAMES),
        "recognised_allergies": recognised_allergies(scan),
        "hold": asked_for(scan) if action else None,
        "critical": None if is_htmx() else critical_of(scan.id),
        "written": [prescription_view(version) for version in versions],
        "events": [] if is_htmx() else history(scan, versions, report_queries.versions(scan)),
    }
    return page_or_fragment("pharmacist/scan.html", "pharmacist/_prescription.html", status=status, **values)


def _fill_in(form: PrescriptionForm) -> bool:
    """Fill in a requested template. Returns whether one was requested."""
    if "use_template" not in request.form:
        return False
    chosen = request.form.get("template", type=uuid.UUID)
    if chosen is not None:
        with suppress(NotFound):  # removed by a colleague meanwhile: the list shown next lacks it
            form.fill_in(templates.usable(chosen, me()))
    return True


def _warnings(scan: Scan, form: PrescriptionForm) -> dict[int, tuple[SafetyWarning, ...]]:
    said = None
    if _facts_sent():
        with suppress(Invalid):  # told beside the field when the form is sent
            said = stated_facts.read(stated_facts.caught_up(form.stated, scan))
    lines = [(row.number, row.line) for row in form.rows if not row.line.blank]
    return line_warnings.warnings(scan, lines, said)


def _known(row: LineForm) -> list[str]:
    return what_is_known(row.line)


def _action(scan: Scan) -> str | None:
    """Where the form is sent: to complete, to correct, or None when nothing may be sent now."""
    if policies.may(policies.check_can_complete, scan):
        return url_for(".complete", scan_id=scan.id)
    if policies.may(policies.check_can_correct, scan, HoldFor.PHARMACIST):
        return url_for(".correct", scan_id=scan.id)
    return None
